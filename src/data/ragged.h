/* Sequences of different lengths, as a data set keeps them: its inputs are [N, C, T], zeros after each end, and here
 * are the ends, the names, and the few lengths that batches are padded to. Invariant: 1 <= lengths[i] <= T; buckets
 * ascend, and the last is that of the longest sequence. */
#ifndef CY_DATA_RAGGED_H
#define CY_DATA_RAGGED_H

#include "data/dataset.h"

typedef struct cy_ragged {
  int64_t *lengths; /* [N] */
  int64_t buckets[CY_MAX_BUCKETS];
  int n_buckets;
  char **names;    /* [N]: of the sequences; NULL: their numbers */
  char **channels; /* [C]: of the columns; NULL: none */
  int64_t count, n_channels;
  char *column;    /* which says to what sequence a row belongs; NULL: each file is one */
  char *notes;
} cy_ragged;
void cy_ragged_free(cy_ragged *ragged);

/* Makes d, built of padded inputs f32 [N, C, T], one of sequences. lengths are copied; buckets: at most so many, 0: the
 * usual. names and channels are copied, NULL: none. */
cy_status cy_dataset_set_lengths(cy_dataset *d, const int64_t *lengths, int64_t buckets);
cy_status cy_dataset_name_sequences(cy_dataset *d, const char *const *names, const char *const *channels,
                                    const char *column);

/* Sets labels [N, steps] behind the ends to 0: they are nobody's. */
void cy_clear_step_labels(cy_tensor *targets, const int64_t *lengths);

/* At most n lengths, ascending and ending with the largest, that pad these lengths the least; returns how many.
 * sorted: the lengths, ascending. */
cy_status cy_choose_buckets(const int64_t *sorted, int64_t count, int n, int64_t buckets[CY_MAX_BUCKETS], int *chosen);

/* brackets.c: words of brackets, of which half are balanced. */
cy_status cy_open_brackets(cy_dataset_options options, cy_dataset **dataset);
/* open_sequences.c, open_sequence_files.c */
cy_status cy_open_sequence_table(const char *name, const char *path, cy_dataset_options options, cy_dataset **dataset);
/* *dataset NULL: there are no folders of CSV files in it. */
cy_status cy_open_sequence_folder(const char *name, const char *folder, cy_dataset_options options, cy_dataset **dataset);

#endif
