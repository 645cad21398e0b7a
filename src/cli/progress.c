#include "cli/progress.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The one mutable global of the command: a signal handler has nothing else to reach. */
static volatile sig_atomic_t signals_seen;

static void on_signal(int number) {
  (void)number;
  if (signals_seen++ > 0) _exit(CLI_EXIT_INTERRUPTED);
}

void cli_catch_signals(void) {
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
}

bool cli_stop_wanted(void) { return signals_seen > 0; }

void cli_progress_begin(cli_progress *p, bool quiet) {
  *p = (cli_progress){.terminal = cli_terminal_of(STDOUT_FILENO), .quiet = quiet, .drawn_at = -1};
}

void cli_progress_clear(cli_progress *p) {
  if (!p->drawn) return;
  fputs("\r\033[K", stdout);
  fflush(stdout);
  p->drawn = false;
}

/* ---- the live line ---- */

enum { PARTS = 6, PART_SIZE = 64, BAR_MIN = 10, BAR_MAX = 32 };

/* What stands right of the bar, the most important first; NaN values leave their part empty. */
static void describe(const cy_progress *now, bool live, char parts[PARTS][PART_SIZE]) {
  char a[CLI_NUMBER_SIZE];
  snprintf(parts[0], PART_SIZE, "loss %s", cli_loss_text(now->loss, a));
  snprintf(parts[1], PART_SIZE, "accuracy %s", cli_percent_text(now->accuracy, a));
  snprintf(parts[2], PART_SIZE, "%s left", cli_seconds_text(now->seconds_left, a));
  snprintf(parts[3], PART_SIZE, "%s samples/s", cli_rate_text(now->samples_per_second, a));
  if (live || isnan(now->validation_loss)) parts[4][0] = 0;
  else snprintf(parts[4], PART_SIZE, "validation loss %s", cli_loss_text(now->validation_loss, a));
  snprintf(parts[5], PART_SIZE, "validation %s", cli_percent_text(now->validation_accuracy, a));
  if (isnan(now->accuracy)) parts[1][0] = 0;
  if (isnan(now->seconds_left)) parts[2][0] = 0;
  if (isnan(now->validation_accuracy)) parts[5][0] = 0;
}

/* Of the whole training. */
static double share_done(const cy_progress *now) {
  double within = now->steps_per_epoch > 0 ? (double)now->step / (double)now->steps_per_epoch : 0;
  double epochs = now->phase == CY_PHASE_TRAIN ? (double)(now->epoch - 1) + within : (double)now->epoch;
  return epochs / (double)now->epochs;
}

static void draw(cli_progress *p, const cy_progress *now) {
  char parts[PARTS][PART_SIZE], bar[CLI_BAR_SIZE], head[PART_SIZE], line[PARTS * PART_SIZE];
  describe(now, true, parts);
  int room = cli_terminal_width(STDOUT_FILENO) - 1;
  room -= snprintf(head, sizeof head, "epoch %lld/%lld ", (long long)now->epoch, (long long)now->epochs);
  size_t at = 0;
  line[0] = 0;
  for (int i = 0; i < PARTS; i++) {
    int needed = (int)strlen(parts[i]) + 2;
    if (parts[i][0] == 0) continue;
    if (room - needed < BAR_MIN) break;
    room -= needed;
    at += (size_t)snprintf(line + at, sizeof line - at, "  %s", parts[i]);
  }
  int columns = room > BAR_MAX ? BAR_MAX : room;
  if (columns < 1) columns = 0;
  printf("\r%s%s%s%s\033[K", head, cli_bar(&p->terminal, share_done(now), columns, bar), line,
         cli_stop_wanted() ? "  stopping" : "");
  fflush(stdout);
  p->drawn = true;
  p->drawn_at = now->seconds;
}

static void print_epoch(const cy_progress *now) {
  char parts[PARTS][PART_SIZE], a[CLI_NUMBER_SIZE];
  static const int order[] = {0, 1, 4, 5, 3};
  describe(now, false, parts);
  printf("epoch %lld/%lld", (long long)now->epoch, (long long)now->epochs);
  for (size_t i = 0; i < sizeof order / sizeof *order; i++)
    if (parts[order[i]][0]) printf("  %s", parts[order[i]]);
  printf("  %s%s\n", cli_seconds_text(now->seconds, a), now->best ? "  best" : "");
  fflush(stdout);
}

bool cli_progress_show(cli_progress *p, const cy_progress *now) {
  if (!p->quiet && p->terminal.live) {
    if (p->drawn_at < 0 || now->seconds - p->drawn_at >= 0.1) draw(p, now);
  } else if (!p->quiet && now->phase == CY_PHASE_EPOCH) {
    print_epoch(now);
  }
  return !cli_stop_wanted();
}

void cli_progress_log(cli_progress *p, const char *line) {
  if (p->quiet) return;
  cli_progress_clear(p);
  printf("%s%s%s\n", cli_style_on(&p->terminal, CLI_DIM), line, cli_style_off(&p->terminal));
}

/* ---- downloads ---- */

void cli_progress_bytes(cli_progress *p, const cy_data_progress *now, double seconds) {
  char bar[CLI_BAR_SIZE], done[CLI_NUMBER_SIZE], total[CLI_NUMBER_SIZE];
  if (p->quiet || !p->terminal.live || (p->drawn && seconds - p->drawn_at < 0.1 && now->done < now->total)) return;
  int room = cli_terminal_width(STDOUT_FILENO) - (int)strlen(now->file) - 40;
  double share = now->total > 0 ? (double)now->done / (double)now->total : 0;
  printf("\r%d/%d %s %s  %s of %s\033[K", now->file_number, now->file_count, now->file,
         cli_bar(&p->terminal, share, room < 0 ? 0 : room > BAR_MAX ? BAR_MAX : room, bar),
         cli_bytes_text((double)now->done, done), now->total > 0 ? cli_bytes_text((double)now->total, total) : "?");
  fflush(stdout);
  p->drawn = true;
  p->drawn_at = seconds;
}
