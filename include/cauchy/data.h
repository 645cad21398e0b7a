/* Data sets: samples in memory in their own dtype (u8 pixels, f32 measurements), converted and scaled batch by batch
 * straight into the caller's tensors.
 *
 *   cy_dataset *data;   cy_split split;   cy_batches *batches;   const int64_t *indices;   int64_t n;
 *   CHECK(cy_dataset_open("digits", (cy_dataset_options){0}, &data));
 *   CHECK(cy_dataset_split(data, (cy_split_options){.validation = 0.1, .seed = 1}, &split));
 *   CHECK(cy_dataset_scale(data, CY_SCALE_DEFAULT, split.train, split.n_train));
 *   CHECK(cy_batches_create(split.train, split.n_train, 32, true, seed, &batches));
 *   cy_batches_start(batches, epoch, 0);
 *   while ((n = cy_batches_next(batches, &indices)) > 0) CHECK(cy_dataset_batch(data, indices, n, x, y)); */
#ifndef CAUCHY_DATA_H
#define CAUCHY_DATA_H

#include <cauchy/io.h>
#include <cauchy/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- opening ---- */
typedef struct cy_dataset cy_dataset; /* N samples of one shape, each with a target; immutable but for its scaling */

typedef enum cy_task {
  CY_TASK_DETECT, /* CSV: classify if the target is text, or whole numbers of which at most 100 differ and each occurs
                   * twice on average; NPZ: if y holds integers. Else regress */
  CY_TASK_CLASSIFY,
  CY_TASK_REGRESS,
} cy_task;

typedef struct cy_image_size {
  int64_t height, width; /* pixels */
} cy_image_size;

typedef enum cy_fit {
  CY_FIT_STRETCH, /* the whole picture, its sides stretched to the size's */
  CY_FIT_CROP,    /* the middle of it that has the size's proportions */
} cy_fit;

/* What is done to pictures as they are read; all 0: nothing. */
typedef struct cy_image_options {
  cy_image_size size; /* resized to this (bilinear; when shrinking, the triangle is widened), rounded to whole values */
  cy_fit fit;
  cy_image_mode mode; /* channels; CY_IMAGE_KEEP of a folder: 3 if any picture has colours */
} cy_image_options;

/* What of the target column, over the rows that the label looks at, is a window's target. */
typedef enum cy_window_label {
  CY_LABEL_LAST,     /* the value of the last row: a class, or a number (cy_dataset_options.task) */
  CY_LABEL_MAJORITY, /* the most frequent class; of equally frequent ones the first in order */
  CY_LABEL_MEAN,
  CY_LABEL_MIN,
  CY_LABEL_MAX,
} cy_window_label;

/* Windows of tables whose rows follow each other in time, as samples [columns, length]; length 0: none, each row is a
 * sample. A field of 0 takes the value in brackets.
 *
 * Missing values (empty, NA, NaN, null, ?, -) and rows that the time column lacks are gaps. In each window by itself, so
 * that nothing is known of what comes later, gaps of at most `fill` rows are interpolated linearly, at its ends the
 * nearest value is repeated; a window with a longer one is left out, and counted in cy_dataset_notes. The target column
 * is treated in the same way over the rows of the label; of classes missing ones don't count.
 *
 * The split is by time, never at random: training, then validation, then test. A window belongs to a part if all its
 * rows and those of its label do; windows across a boundary are left out, and counted. */
typedef struct cy_window_options {
  int64_t length, step;    /* rows of a window; rows from one to the next [length] */
  const char *columns;     /* the sensors: "PM2.5, PM10" [all columns of numbers but target and time] */
  const char *time;        /* a column of times ("2016-03-01", "2016-03-01 05:00", "...T05:00:00Z", or plain numbers), or
                            * several: "year, month, day, hour" (minute, second) [none: rows are equally spaced in time] */
  const char *missing;     /* a number that stands for a missing value too, such as "-999" [none] */
  int64_t fill;            /* [0: any missing value is too many] */
  cy_window_label label;   /* [CY_LABEL_LAST] */
  int64_t horizon;         /* the label looks at so many rows behind the window [0: at the window's own] */
  const char *above;       /* two classes: not above and above this number; "median": of the training part [none] */
  double validation, test; /* shares of the time: test of all [0.2; negative: none], validation of the rest [0: none] */
  const char *validation_from, *test_from; /* or where they begin: times; numbers of rows without a time column */
} cy_window_options;

typedef struct cy_load_progress {
  int64_t done, total; /* pictures */
} cy_load_progress;

typedef struct cy_dataset_options {
  const char *directory; /* the data directory; NULL: cy_data_directory */
  const char *target;    /* CSV: the target column (name, number from 0, or "-1"); NULL: a column named label, target,
                          * class, species or y, else the last one. CIFAR-100: "fine" (NULL) or "coarse". "input" (if
                          * no column has this name): each sample is its own target, as for an autoencoder */
  cy_task task;          /* CSV and NPZ */
  const char *columns;   /* CSV, each row a sample: the columns that it is made of, in this order, by name or number from
                          * 0: "age, height" [all but the target]. In quotes a name may hold a comma, and "" for a quote.
                          * Of a file without a header, names that it does not have stand for all columns in order */
  const char *ignore;    /* or the columns that are left out, which may hold anything: "id, name" */
  cy_image_options images; /* of data sets of u8 images */
  int64_t length;          /* of sequences: characters of a text's windows (0: 128), steps of "adding" (0: 100) */
  const char *vocabulary;  /* texts: the characters that are numbered, ascending; others are errors. NULL: those that
                            * occur */
  cy_window_options windows; /* of CSV files: sequences */
  const char *sequence;      /* CSV: the column, of text or numbers, that says to which sequence a row belongs. A sample is
                              * then a sequence, [columns, steps], its rows in the order of the file; its target is that of
                              * its rows, which have one. "": each file is a sequence, as in folders by class, and a file or a
                              * folder of files without classes does, for target "input". With target "input" sequences have
                              * no targets: to predict from them [NULL: each row is a sample] */
  bool each_step;            /* with sequence: the target is a class for each step, which may change within a sequence */
  int64_t buckets;           /* sequences of different lengths: batches are padded to at most so many [4], CY_MAX_BUCKETS */
  bool (*progress)(const cy_load_progress *progress, void *user); /* called after each picture; false: CY_CANCELLED */
  void *user;
} cy_dataset_options;

/* spec is one of
 *   a name:    "digits", "iris", "wine", "sonnets" (embedded), "adding" (generated), "mnist", "fashion-mnist", ...
 *              (cy_data_list), in the data directory
 *   a folder:  with IDX files of MNIST's names (train-images-idx3-ubyte[.gz], ...; the t10k pair is optional), or with
 *              CIFAR's binary files (data_batch_1.bin[.gz], ..., test_batch.bin[.gz], batches.meta.txt; of CIFAR-100
 *              train.bin, test.bin, fine_label_names.txt), or with the archive of them as published; or
 *              with pictures (PNG, JPEG): DIR/class/1.png, or DIR/train/class/... and DIR/test/class/..., the fixed
 *              test part. Classes are the folders' names in byte order, pictures of a class too; a folder without any
 *              is an error, as its class would never be seen, but one whose name begins with a dot is left out. All
 *              pictures need one size, or options.images.size
 *              or with CSV files by class, DIR/class/1.csv, or DIR/train/class/... and DIR/test/class/...: each file is a
 *              sequence of its own length; all have the columns of the first
 *   with options.windows, CSV files of sequences, each a series of its own, with the same columns: a file, a folder, of which
 *              every .csv, .tsv and .data[.gz] is read, or a pattern: "air/{north,south}*.csv.gz". Samples are [columns,
 *              length]. The target is options.target, a column's name; "input": none, samples are their own targets
 *   a file:    .csv/.tsv[.gz], .npz (arrays x and y, or x_train, y_train, x_test, y_test; with
 *              lengths, or lengths_train and lengths_test, sequences [channels, steps] of different lengths, whose y may be
 *              whole numbers [N, steps], a class for each step), or an IDX file of images
 *              whose name holds "images", beside its labels file (same name with "labels", idx1 for idx3), or .bin[.gz]
 *              records or the .tar.gz of CIFAR
 *   a text:    .txt[.gz], UTF-8, or a folder of them, one behind the other in byte order of their names: see below
 * Samples have shape [features] for tables, [channels, height, width] for images (MNIST and other u8 [N, H, W]:
 * [1, 28, 28]). A name wins over a path: "./mnist" is the folder.
 * Fails with one sentence that names file, row and number; a NaN or infinite feature and a label outside 0..classes-1
 * are errors. A known name that is not on this machine fails with CY_IO and says how to get it.
 *
 * A text is cut into windows of `length` characters, one behind the other; a sample is a window, [length] numbers of
 * characters; its labels, [length] too, are the characters that follow each. What is left at the end, less than a
 * window, is not used. Classes are the characters. It is split by position: training, validation, test part. */
CY_API CY_MUST_CHECK cy_status cy_dataset_open(const char *spec, cy_dataset_options options, cy_dataset **dataset);
CY_API bool cy_dataset_is_csv(const char *spec); /* whether it would be read as a CSV file: by its name alone */
/* From the caller's tensors, which are copied: inputs [N, ...] f32, f64 or u8; targets i32, i64 or u8 [N] with
 * classes > 0, or f32/f64 [N, ...] with classes 0. test_count: the last so many samples are the fixed test part (0:
 * none). u8 inputs are scaled by 1/255 by default. */
CY_API CY_MUST_CHECK cy_status cy_dataset_from_tensors(const char *name, const cy_tensor *inputs,
                                                       const cy_tensor *targets, int64_t classes, int64_t test_count,
                                                       cy_dataset **dataset);
CY_API void cy_dataset_free(cy_dataset *dataset);

/* ---- looking ---- */
CY_API const char *cy_dataset_name(const cy_dataset *dataset);   /* "digits"; of a file: without folder and ending */
CY_API const char *cy_dataset_origin(const cy_dataset *dataset); /* the path it was read from, "embedded", "memory" */
CY_API int64_t cy_dataset_count(const cy_dataset *dataset);      /* samples, test part included */
CY_API int64_t cy_dataset_test_count(const cy_dataset *dataset); /* the fixed test part: the last so many; 0: none */
CY_API cy_shape cy_dataset_sample_shape(const cy_dataset *dataset); /* one sample, without N */
CY_API cy_shape cy_dataset_target_shape(const cy_dataset *dataset); /* one target, without N: scalar for labels, but
                                                                     * [length] for those of texts and of each step */
CY_API int64_t cy_dataset_classes(const cy_dataset *dataset);       /* 0: regression */
/* "versicolor", "7"; NULL out of range. */
CY_API const char *cy_dataset_class_name(const cy_dataset *dataset, int64_t c);
CY_API const char *cy_dataset_feature_name(const cy_dataset *dataset, int64_t f); /* NULL if features have no names */
CY_API const char *cy_dataset_target_name(const cy_dataset *dataset);             /* "label" if the source names none */
/* The class of sample i; -1 for regression, texts, labels of each step, or out of range. */
CY_API int64_t cy_dataset_label(const cy_dataset *dataset, int64_t i);
CY_API const cy_tensor *cy_dataset_inputs(const cy_dataset *dataset);  /* raw, [N, ...] u8 or f32; of texts i32 */
CY_API const cy_tensor *cy_dataset_targets(const cy_dataset *dataset); /* i32 [N], of texts [N, length]; or f32 [N, ...];
                                                                        * or the inputs */
CY_API const char *cy_dataset_vocabulary(const cy_dataset *dataset); /* of a text: its characters by class; else NULL */
CY_API int64_t cy_dataset_length(const cy_dataset *dataset); /* as chosen by the options' length; 0: not by it */
/* Each sample is its own target: as it is scaled, never augmented. Then there are no classes. */
CY_API bool cy_dataset_reconstructs(const cy_dataset *dataset);

/* ---- sequences of different lengths ----
 * A data set of them has samples [channels, steps], where steps are those of the longest (arrays may have room for more);
 * in its inputs zeros follow each end. A batch may be padded to fewer steps; networks that mind the ends
 * (cy_network_set_lengths) give the same whatever the padding. So that few programs are compiled, batches are padded to a
 * few lengths, the buckets: those, ending with the longest sequence's, that make the padding of the whole data set least.
 * Scaling looks at the steps before the ends. */
enum { CY_MAX_BUCKETS = 16 };
CY_API bool cy_dataset_is_ragged(const cy_dataset *dataset);
/* Steps of sample i; -1 out of range. Of other data sets the last extent of their samples. */
CY_API int64_t cy_dataset_steps(const cy_dataset *dataset, int64_t i);
/* Whether there is a label for each step: targets are [N, steps], 0 behind the ends. */
CY_API bool cy_dataset_each_step(const cy_dataset *dataset);
CY_API int cy_dataset_buckets(const cy_dataset *dataset, int64_t buckets[CY_MAX_BUCKETS]); /* how many; 0: not ragged */
/* The bucket that these samples fit into together. */
CY_API int64_t cy_dataset_padded_steps(const cy_dataset *dataset, const int64_t *indices, int64_t n);
/* "walk/7.csv", the value of the sequence's column; NULL: it has none. */
CY_API const char *cy_dataset_sequence_name(const cy_dataset *dataset, int64_t i);
CY_API const char *cy_dataset_channel_name(const cy_dataset *dataset, int64_t c);     /* NULL: it has none */
CY_API const char *cy_dataset_sequence_column(const cy_dataset *dataset); /* options.sequence; NULL: each file is one */
/* From the caller's tensors, as cy_dataset_from_tensors: inputs f32 or f64 [N, channels, steps], whatever behind the ends;
 * lengths [N], from 1 to steps; targets may also be a class for each step, i32 [N, steps]. buckets: 0: 4. */
CY_API CY_MUST_CHECK cy_status cy_dataset_from_sequences(const char *name, const cy_tensor *inputs,
                                                         const int64_t *lengths, const cy_tensor *targets,
                                                         int64_t classes, int64_t test_count, int64_t buckets,
                                                         cy_dataset **dataset);

/* What its windows were cut with: columns by name, above and boundaries as numbers and times, so that windows of other
 * files are cut alike. Strings belong to the data set. length 0: its samples are no windows. */
CY_API cy_window_options cy_dataset_windows(const cy_dataset *dataset);
/* Of sequences of different lengths: how many, how long, how they are padded. Of windows: what was read, what was missing,
 * how many windows were left out and why; sentences, one a line. "" of other data sets. */
CY_API const char *cy_dataset_notes(const cy_dataset *dataset);
/* How many windows were left out, for gaps, missing labels, or because they lie across a boundary. */
CY_API int64_t cy_dataset_windows_left_out(const cy_dataset *dataset);
/* Where window i comes from: "north: 2016-03-01 00:00 to 2016-03-07 23:00", "north: rows 1 to 168". Free with
 * cy_string_free. Fails for samples that are no windows. */
CY_API CY_MUST_CHECK cy_status cy_dataset_window_text(const cy_dataset *dataset, int64_t i, char **text);
/* As lines "length=168", and back; what: for messages. *memory holds the strings: cy_string_free, after their use. */
CY_API CY_MUST_CHECK cy_status cy_window_options_text(cy_window_options options, char **text);
CY_API CY_MUST_CHECK cy_status cy_window_options_parse(const char *what, const char *text, cy_window_options *options,
                                                       char **memory);
/* "last", "majority", ...; NULL beyond the last. */
CY_API const char *cy_window_label_name(int i);

/* What its images were read with, as far as it changed them: to read others alike. */
CY_API cy_image_options cy_dataset_image_options(const cy_dataset *dataset);
/* As words, "64x64 crop gray": what differs from nothing; "" for nothing. Free with cy_string_free. Parsing takes the
 * words in any order; what: for messages. */
CY_API CY_MUST_CHECK cy_status cy_image_options_text(cy_image_options options, char **text);
CY_API CY_MUST_CHECK cy_status cy_image_options_parse(const char *what, const char *text, cy_image_options *options);
/* The same for pictures that are in no data set: u8 [..., 1 or 3, height, width], row-major. A new tensor. */
CY_API CY_MUST_CHECK cy_status cy_images_prepare(const cy_tensor *images, cy_image_options options,
                                                 cy_tensor **prepared);

/* ---- splitting ---- */
typedef struct cy_split_options {
  double validation; /* fraction of what is not test, in [0, 1); 0: none */
  double test;       /* fraction, for data sets without a fixed test part; 0: 0.2; negative: none */
  uint64_t seed;
} cy_split_options;

typedef struct cy_split { /* sample numbers, each part ascending; disjoint, together all samples */
  int64_t *train, *validation, *test;
  int64_t n_train, n_validation, n_test;
} cy_split;

/* Stratified for classes: each part holds each class in proportion (to within one sample). Depends only on the data
 * set and the options. Texts are cut by position instead. Windows of tables are split by time when they are cut
 * (cy_window_options), so that of the options only a negative test counts: where the rows have no times, all are training
 * then. Release with cy_split_clear. */
CY_API CY_MUST_CHECK cy_status cy_dataset_split(const cy_dataset *dataset, cy_split_options options, cy_split *split);
CY_API void cy_split_clear(cy_split *split);

/* ---- scaling: x = (raw - offset[c]) * factor[c] ---- */
typedef enum cy_scale {
  CY_SCALE_DEFAULT,     /* u8: CY_SCALE_UNIT; f32 tables and windows of tables: CY_SCALE_STANDARDISE; other f32: none */
  CY_SCALE_NONE,
  CY_SCALE_UNIT,        /* by the largest possible value: 1/255, digits 1/16; f32: none */
  CY_SCALE_STANDARDISE, /* mean 0 and variance 1 per feature (tables) or channel (images) over the given samples; a
                         * constant feature is only centred */
} cy_scale;

typedef struct cy_scaling {
  int64_t channels;             /* 1, or features, or image channels */
  const float *offset, *factor; /* [channels] */
} cy_scaling;

/* indices: the training part, read by CY_SCALE_STANDARDISE only. Without a call: UNIT for u8, none for f32. */
CY_API CY_MUST_CHECK cy_status cy_dataset_scale(cy_dataset *dataset, cy_scale scale, const int64_t *indices, int64_t n);
/* What batches are scaled by (valid until the next change), and setting it to what a model was trained with. */
CY_API cy_scaling cy_dataset_scaling(const cy_dataset *dataset);
CY_API CY_MUST_CHECK cy_status cy_dataset_set_scaling(cy_dataset *dataset, cy_scaling scaling);

/* ---- batches ---- */

/* Sample indices[i] goes to row i of x (f32 [n, ...], any trailing shape with as many elements as a sample, so that
 * [n, 784] takes 1x28x28; of sequences of different lengths [n, channels, steps] with as many steps as they need or
 * more) and of y (labels: i32, i64 or f32 [n], of texts [n, length]; targets: f32 [n, ...]). Both
 * row-major with exactly n rows; x or y may be NULL. Allocates nothing; cost: one pass over the batch. Safe from several
 * threads. */
CY_API CY_MUST_CHECK cy_status cy_dataset_batch(const cy_dataset *dataset, const int64_t *indices, int64_t n,
                                                cy_tensor *x, cy_tensor *y);

/* ---- batches of images: changed at random for training, resized ---- */

typedef enum cy_fill {
  CY_FILL_ZERO,    /* black: a raw value of 0 */
  CY_FILL_REFLECT, /* the image, mirrored at its outermost pixels: c b | a b c */
  CY_FILL_EDGE,    /* its outermost pixels, repeated */
} cy_fill;

/* What is done at random to samples while training; all 0: nothing. The first four are for images [channels, height,
 * width] and, along time, for sequences [channels, steps]; jitter and scaling (T. Um and others 2017, of sensors) for all
 * but texts, and in units of what the network sees: standard deviations, where inputs are standardised. */
typedef struct cy_augmentation {
  bool flip;      /* half of them are mirrored, left to right */
  int64_t crop;   /* padded by so many pixels or steps on every side; then a window of the sample's size is cut anywhere */
  int64_t shift;  /* moved by at most so many pixels up or down, and left or right; or steps forwards or backwards */
  cy_fill fill;   /* what shows where there is no image */
  double jitter;  /* normal noise of this deviation is added to every number */
  double scaling; /* each channel (of tables: each feature) is multiplied by a normal number of mean 1 and this deviation */
} cy_augmentation;
CY_API bool cy_augments(const cy_augmentation *augmentation); /* whether anything is done */

typedef struct cy_loader_options {
  cy_augmentation augment;
  uint64_t seed;
  int threads; /* 0: all */
  int64_t windows; /* texts: in every epoch all windows are moved by one number, drawn below their length, but within the
                    * first so many windows (the training part); 0: they stay */
} cy_loader_options;

typedef struct cy_loader cy_loader;
/* dataset is borrowed. Errors: moving samples that are neither images nor sequences, or by more than they have. */
CY_API CY_MUST_CHECK cy_status cy_loader_create(const cy_dataset *dataset, cy_loader_options options,
                                                cy_loader **loader);
CY_API void cy_loader_free(cy_loader *loader);
/* As cy_dataset_batch, but augmented if epoch >= 0, and then resized (bilinear; when shrinking, the triangle is
 * widened) if x is f32 [n, channels, height, width] of other extents than the samples'. Draws depend on (seed, epoch,
 * sample number) alone. One pass; allocates only when a size is first met. Not for several threads at once. */
CY_API CY_MUST_CHECK cy_status cy_loader_batch(cy_loader *loader, int64_t epoch, const int64_t *indices, int64_t n,
                                               cy_tensor *x, cy_tensor *y);
/* Images [..., height, width] of any dtype, resized in the same way: a new f32 tensor. */
CY_API CY_MUST_CHECK cy_status cy_images_resize(const cy_tensor *images, int64_t height, int64_t width,
                                                cy_tensor **resized);

/* Walks a list of sample numbers in batches, shuffled anew for every epoch. The order depends on the list, seed and
 * epoch alone, so a run resumes exactly at (epoch, batch). */
typedef struct cy_batches cy_batches;
/* indices are copied. */
CY_API CY_MUST_CHECK cy_status cy_batches_create(const int64_t *indices, int64_t n, int64_t batch_size, bool shuffle,
                                                 uint64_t seed, cy_batches **batches);
/* In the order of the list, as streams side by side: row r of a batch holds the sample that follows the one in row r of
 * the batch before. With s = n / rows batches, row r goes through samples r s .. r s + s - 1 of the list; the last n % rows
 * are left out. n >= rows. The same in every epoch. */
CY_API CY_MUST_CHECK cy_status cy_batches_create_streams(const int64_t *indices, int64_t n, int64_t rows,
                                                         cy_batches **batches);
/* Sequences of like length together: in an epoch those of each bucket (cy_dataset_buckets) are shuffled, laid one behind
 * the other and cut into batches, which then are shuffled, but for a smaller last one. Without shuffle: as in the list,
 * by bucket. The data set is read during the call alone. */
CY_API CY_MUST_CHECK cy_status cy_batches_create_by_length(const cy_dataset *dataset, const int64_t *indices, int64_t n,
                                                           int64_t batch_size, bool shuffle, uint64_t seed,
                                                           cy_batches **batches);
CY_API void cy_batches_free(cy_batches *batches);
CY_API int64_t cy_batches_count(const cy_batches *batches); /* per epoch: ceil(n / batch_size); streams: n / rows */
/* Goes to batch number batch (0: the first) of an epoch. Allocates nothing. */
CY_API void cy_batches_start(cy_batches *batches, int64_t epoch, int64_t batch);
/* The next batch's sample numbers, borrowed until the next call; returns how many (batch_size, fewer in the last
 * one), 0 at the end of the epoch. */
CY_API int64_t cy_batches_next(cy_batches *batches, const int64_t **indices);

/* ---- public data sets and where they live ---- */

typedef struct cy_data_file {
  const char *name;   /* in the data set's folder: "train-images-idx3-ubyte.gz" */
  const char *sha256; /* 64 hexadecimal digits, lower case */
  int64_t bytes;      /* size of the download; 0: unknown */
} cy_data_file;

typedef struct cy_data_set {
  const char *name;        /* "mnist": also its folder in the data directory */
  const char *title;       /* one line */
  const char *description; /* samples, shapes, classes */
  const char *source;      /* who made it, page */
  const char *licence;
  const char *const *urls; /* folders that hold the files, tried in turn; ends with NULL; NULL: embedded */
  const cy_data_file *files; /* ends with an entry whose name is NULL; NULL: embedded */
  const char *system_folder; /* where a system package puts it; NULL: nowhere */
  const char *system_package; /* the package's name; NULL: none */
  const char *unpacked; /* of a set that is fetched as an archive: a file that is there, plain or .gz, if someone has
                         * unpacked it into the folder. NULL: no archive */
} cy_data_set;

/* The known sets; *count may be NULL. */
CY_API const cy_data_set *cy_data_list(int *count);
CY_API const cy_data_set *cy_data_find(const char *name); /* NULL if unknown; cy_error_message then suggests a name */
/* $CAUCHY_DATA, else $XDG_DATA_HOME/cauchy, else ~/.local/share/cauchy. Free with cy_string_free. */
CY_API CY_MUST_CHECK cy_status cy_data_directory(char **path);
/* The folder that holds all files of the set: in directory (NULL: cy_data_directory), else the system's. *folder is
 * NULL if it is not on this machine, "" if it is embedded. Free with cy_string_free. Contents are not checked here. */
CY_API CY_MUST_CHECK cy_status cy_data_locate(const cy_data_set *set, const char *directory, char **folder);

typedef struct cy_data_progress {
  const char *file;      /* being fetched or checked */
  int file_number, file_count; /* from 1 */
  int64_t done, total;   /* bytes of this file; total 0: unknown */
} cy_data_progress;

typedef struct cy_data_options {
  const char *directory;   /* NULL: cy_data_directory */
  const char *base_url;    /* instead of the set's urls; files are at base_url/name. NULL: the set's own */
  bool (*progress)(const cy_data_progress *progress, void *user); /* false cancels; may be NULL */
  void *user;
  int timeout_seconds;     /* gives up after so long without a byte; 0: 30 */
} cy_data_options;

/* Fetches what is missing into directory/name, each file first as <file>.part, continued by a later call if broken
 * off (with HTTP Range if the server can), checked against its SHA-256, then renamed. Files present are checked and
 * kept. CY_CANCELLED keeps the part; CY_IO: unreachable, offline, refused; CY_INVALID: the checksum differs (the part
 * is removed). CY_UNSUPPORTED in a build without libcurl or nettle. */
CY_API CY_MUST_CHECK cy_status cy_data_get(const cy_data_set *set, cy_data_options options);

#ifdef __cplusplus
}
#endif
#endif
