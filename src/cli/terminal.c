#include "cli/terminal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool locale_is_utf8(void) {
  static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *value = getenv(names[i]);
    if (value && value[0]) return strcasestr(value, "utf-8") != NULL || strcasestr(value, "utf8") != NULL;
  }
  return false;
}

cli_terminal cli_terminal_of(int fd) {
  const char *kind = getenv("TERM"), *no_color = getenv("NO_COLOR");
  cli_terminal terminal = {.live = isatty(fd) && !(kind && strcmp(kind, "dumb") == 0), .utf8 = locale_is_utf8()};
  terminal.colours = terminal.live && !(no_color && no_color[0]);
  return terminal;
}

int cli_terminal_width(int fd) {
  struct winsize size;
  return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

const char *cli_style_on(const cli_terminal *terminal, cli_style style) {
  static const char *const sequences[] = {"", "\033[1m", "\033[2m", "\033[1;32m", "\033[36m"};
  return terminal->colours ? sequences[style] : "";
}
const char *cli_style_off(const cli_terminal *terminal) { return terminal->colours ? "\033[0m" : ""; }

const char *cli_bytes_text(double bytes, char buffer[CLI_NUMBER_SIZE]) {
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  for (; bytes >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++) bytes /= 1024;
  snprintf(buffer, CLI_NUMBER_SIZE, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
  return buffer;
}

const char *cli_seconds_text(double seconds, char buffer[CLI_NUMBER_SIZE]) {
  if (!(seconds >= 0 && seconds < 1e9)) snprintf(buffer, CLI_NUMBER_SIZE, "-");
  else if (seconds < 10) snprintf(buffer, CLI_NUMBER_SIZE, "%.2f s", seconds);
  else if (seconds < 60) snprintf(buffer, CLI_NUMBER_SIZE, "%.1f s", seconds);
  else {
    long whole = lround(seconds);
    if (whole < 3600) snprintf(buffer, CLI_NUMBER_SIZE, "%ld:%02ld", whole / 60, whole % 60);
    else snprintf(buffer, CLI_NUMBER_SIZE, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
  }
  return buffer;
}

const char *cli_rate_text(double rate, char buffer[CLI_NUMBER_SIZE]) {
  if (rate < 1000) snprintf(buffer, CLI_NUMBER_SIZE, "%.0f", rate);
  else if (rate < 1e6) snprintf(buffer, CLI_NUMBER_SIZE, rate < 1e4 ? "%.1fk" : "%.0fk", rate / 1e3);
  else snprintf(buffer, CLI_NUMBER_SIZE, "%.2fM", rate / 1e6);
  return buffer;
}

const char *cli_count_text(int64_t count, char buffer[CLI_NUMBER_SIZE]) {
  char digits[24];
  int n = snprintf(digits, sizeof digits, "%lld", (long long)count), at = 0;
  for (int i = 0; i < n; i++) {
    if (i > 0 && (n - i) % 3 == 0 && digits[i - 1] != '-') buffer[at++] = ' ';
    buffer[at++] = digits[i];
  }
  buffer[at] = 0;
  return buffer;
}

const char *cli_percent_text(double share, char buffer[CLI_NUMBER_SIZE]) {
  if (isnan(share)) snprintf(buffer, CLI_NUMBER_SIZE, "-");
  else snprintf(buffer, CLI_NUMBER_SIZE, "%.2f %%", 100 * share);
  return buffer;
}

const char *cli_loss_text(double loss, char buffer[CLI_NUMBER_SIZE]) {
  if (isnan(loss)) snprintf(buffer, CLI_NUMBER_SIZE, "-");
  else
    snprintf(buffer, CLI_NUMBER_SIZE, fabs(loss) >= 1000 || (loss != 0 && fabs(loss) < 1e-4) ? "%.3e" : "%.4f", loss);
  return buffer;
}

const char *cli_bar(const cli_terminal *terminal, double share, int columns, char buffer[CLI_BAR_SIZE]) {
  const char *full = terminal->utf8 ? "━" : "#", *empty = terminal->utf8 ? "─" : "-";
  if (columns > 120) columns = 120;
  if (!(share > 0)) share = 0;
  int done = share >= 1 ? columns : (int)(share * columns);
  size_t at = 0;
  at += (size_t)snprintf(buffer + at, CLI_BAR_SIZE - at, "%s", cli_style_on(terminal, CLI_ACCENT));
  for (int i = 0; i < done; i++) at += (size_t)snprintf(buffer + at, CLI_BAR_SIZE - at, "%s", full);
  at += (size_t)snprintf(buffer + at, CLI_BAR_SIZE - at, "%s%s", cli_style_off(terminal),
                         cli_style_on(terminal, CLI_DIM));
  for (int i = done; i < columns; i++) at += (size_t)snprintf(buffer + at, CLI_BAR_SIZE - at, "%s", empty);
  snprintf(buffer + at, CLI_BAR_SIZE - at, "%s", cli_style_off(terminal));
  return buffer;
}
