/* Tables of results, as train and eval print them. */
#ifndef CY_CLI_RESULTS_H
#define CY_CLI_RESULTS_H

#include "cli/cli.h"
#include "cli/terminal.h"

void cli_print_parts_head(const cli_terminal *terminal, bool classes);
void cli_print_part(const cli_terminal *terminal, const char *name, const cy_metrics *metrics, bool emphasis);

/* A text's loss in nats per character, in other units too: a line. */
#define CLI_NATS_PER_BIT 0.69314718055994530942
void cli_print_text_loss(const char *part, const cy_metrics *metrics);

/* Of a list that {0, 0} ends, if it is shorter than CY_MAX_SIZES. */
int cli_sizes_count(const cy_image_size *sizes);
/* "28x28" */
const char *cli_size_text(cy_image_size size, char buffer[CLI_NUMBER_SIZE]);

/* Of one class, from a confusion matrix. NaN where nothing was counted. */
typedef struct cli_class_score {
  int64_t samples;
  double precision, recall, f1;
} cli_class_score;
cli_class_score cli_score_of(const cy_metrics *metrics, int64_t c);
/* Class by class: samples, precision, recall, F1. name(owner, c) is the class's name. */
void cli_print_classes(const cli_terminal *terminal, const cy_metrics *metrics,
                       const char *(*name)(const void *owner, int64_t c), const void *owner);

#endif
