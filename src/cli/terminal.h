/* What the command knows about where its output goes: a terminal or not, how wide, colours, UTF-8; and how numbers,
 * sizes and times are written for people. */
#ifndef CY_CLI_TERMINAL_H
#define CY_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cli_terminal {
  bool live;    /* a terminal that can redraw a line */
  bool colours; /* live and NO_COLOR unset */
  bool utf8;
} cli_terminal;

cli_terminal cli_terminal_of(int fd);
int cli_terminal_width(int fd); /* columns; 80 if unknown */

typedef enum cli_style { CLI_PLAIN, CLI_BOLD, CLI_DIM, CLI_GOOD, CLI_ACCENT } cli_style;
/* The escape sequence, or "" without colours. */
const char *cli_style_on(const cli_terminal *terminal, cli_style style);
const char *cli_style_off(const cli_terminal *terminal);

enum { CLI_NUMBER_SIZE = 48 };
/* Each returns buffer. */
const char *cli_bytes_text(double bytes, char buffer[CLI_NUMBER_SIZE]);     /* "12.3 MiB" */
const char *cli_seconds_text(double seconds, char buffer[CLI_NUMBER_SIZE]); /* "0.85 s", "1:04", "2:00:05" */
const char *cli_rate_text(double rate, char buffer[CLI_NUMBER_SIZE]);       /* "41.2k" */
const char *cli_count_text(int64_t count, char buffer[CLI_NUMBER_SIZE]);    /* "109 386" */
const char *cli_percent_text(double share, char buffer[CLI_NUMBER_SIZE]);   /* "97.46 %", "-" for NaN */
const char *cli_loss_text(double loss, char buffer[CLI_NUMBER_SIZE]);       /* "0.0831", "-" for NaN */

/* Draws share (0..1) as a bar of the given number of columns into buffer (which needs 3 bytes per column and some for
 * colours). */
enum { CLI_BAR_SIZE = 512 };
const char *cli_bar(const cli_terminal *terminal, double share, int columns, char buffer[CLI_BAR_SIZE]);

#endif
