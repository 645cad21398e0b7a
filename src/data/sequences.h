/* What the readers of sequences of different lengths have in common: the padded tensor and its rows, sequences without
 * targets, the data set at the end. Used by those of tables, of folders of files, and of arrays. */
#ifndef CY_DATA_SEQUENCES_H
#define CY_DATA_SEQUENCES_H

#include "data/ragged.h"

#include <cauchy/io.h>

/* Whether the sequences are to be read without targets: to predict from. */
bool cy_sequences_bare(const cy_dataset_options *options);
/* f32 [count, channels, steps] of zeros; the longest sequence decides how many steps. place: for messages. */
cy_status cy_sequences_create(const char *place, int64_t count, int64_t channels, int64_t steps, cy_tensor **inputs);
/* Row `row` of a table becomes step t of sequence i. */
cy_status cy_sequences_put(const char *path, const cy_csv *csv, int64_t row, int64_t i, int64_t t, cy_tensor *inputs);
/* What stands for targets until a data set that is to have none is built. */
cy_status cy_sequences_without_targets(int64_t count, cy_tensor **targets);
/* Takes over the tensors of parts, also on failure; the others as in cy_dataset_set_lengths and
 * cy_dataset_name_sequences. */
cy_status cy_sequences_build(cy_dataset_parts parts, const int64_t *lengths, const cy_dataset_options *options,
                             const char *const *names, const char *const *channels, const char *column,
                             cy_dataset **dataset);
/* Text among a table's numbers can be left out: that is said too. */
cy_status cy_hint_ignore(cy_status status);

#endif
