#include "cli/progress.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
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

enum { PARTS = 5, PART_SIZE = 64, BAR_MIN = 10, BAR_MAX = 32 };

static void add_part(char part[PART_SIZE], bool known, const char *before, const char *value, int width,
                     const char *after) {
  if (known) snprintf(part, PART_SIZE, "%s%*s%s", before, width, value, after);
  else part[0] = 0;
}

/* What stands right of the bar, the most important first; what is not known leaves its part empty. */
static void describe(const cy_progress *now, char parts[PARTS][PART_SIZE]) {
  char a[CLI_NUMBER_SIZE];
  add_part(parts[0], true, "loss ", cli_loss_text(now->loss, a), 6, "");
  add_part(parts[1], !isnan(now->accuracy), "accuracy ", cli_percent_text(now->accuracy, a), 8, "");
  add_part(parts[2], !isnan(now->seconds_left), "", cli_seconds_text(now->seconds_left, a), 0, " left");
  add_part(parts[3], true, "", cli_rate_text(now->samples_per_second, a), 0, " samples/s");
  add_part(parts[4], !isnan(now->validation_accuracy), "validation ", cli_percent_text(now->validation_accuracy, a), 0,
           "");
}

/* Of the whole training. */
static double share_done(const cy_progress *now) {
  double within = now->steps_per_epoch > 0 ? (double)now->step / (double)now->steps_per_epoch : 0;
  double epochs = now->phase == CY_PHASE_TRAIN ? (double)(now->epoch - 1) + within : (double)now->epoch;
  return epochs / (double)now->epochs;
}

static void draw(cli_progress *p, const cy_progress *now) {
  char parts[PARTS][PART_SIZE], bar[CLI_BAR_SIZE], head[PART_SIZE], line[PARTS * PART_SIZE];
  describe(now, parts);
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

/* Columns stay in line from epoch to epoch. */
static void print_epoch(const cy_progress *now) {
  char parts[PARTS][PART_SIZE], a[CLI_NUMBER_SIZE];
  int digits = snprintf(NULL, 0, "%lld", (long long)now->epochs);
  add_part(parts[0], true, "  loss ", cli_loss_text(now->loss, a), 6, "");
  add_part(parts[1], !isnan(now->accuracy), "  accuracy ", cli_percent_text(now->accuracy, a), 8, "");
  add_part(parts[2], !isnan(now->validation_loss), "  validation loss ", cli_loss_text(now->validation_loss, a), 6, "");
  add_part(parts[3], !isnan(now->validation_accuracy), "  accuracy ", cli_percent_text(now->validation_accuracy, a), 8,
           "");
  add_part(parts[4], true, "  ", cli_rate_text(now->samples_per_second, a), 5, " samples/s");
  printf("epoch %*lld/%lld", digits, (long long)now->epoch, (long long)now->epochs);
  for (int i = 0; i < PARTS; i++) printf("%s", parts[i]);
  printf("  %6s%s\n", cli_seconds_text(now->seconds, a), now->best ? "  best" : "");
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

/* ---- pictures ---- */

static double seconds_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

bool cli_progress_pictures(const cy_load_progress *now, void *user) {
  cli_progress *p = user;
  char bar[CLI_BAR_SIZE], done[CLI_NUMBER_SIZE], total[CLI_NUMBER_SIZE];
  if (p->quiet || !p->terminal.live) return true;
  double seconds = seconds_now();
  if (p->drawn && seconds - p->drawn_at < 0.1) return true;
  printf("\rreading %s  %s of %s pictures\033[K",
         cli_bar(&p->terminal, (double)now->done / (double)now->total, BAR_MIN, bar), cli_count_text(now->done, done),
         cli_count_text(now->total, total));
  fflush(stdout);
  p->drawn = true;
  p->drawn_at = seconds;
  return true;
}

void cli_progress_words(cli_progress *p, const char *words) {
  double seconds = seconds_now();
  if (p->quiet || !p->terminal.live || (p->drawn && seconds - p->drawn_at < 0.1)) return;
  printf("\r%.*s\033[K", cli_terminal_width(STDOUT_FILENO) - 1, words);
  fflush(stdout);
  p->drawn = true;
  p->drawn_at = seconds;
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
