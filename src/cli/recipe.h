/* Recipes: everything that a training is made of, as keys and values. One table (recipe_keys.c) states each key with
 * its type, range and meaning; files, `key=value` words, the help page and the resolved recipe of a run all come from
 * it. */
#ifndef CY_CLI_RECIPE_H
#define CY_CLI_RECIPE_H

#include "cli/cli.h"

typedef struct cli_recipe {
  char *name;       /* of the run folder; NULL: the data set's */
  char *data;       /* what cy_dataset_open takes */
  char *target;     /* its column in a CSV file */
  int task;         /* cy_task */
  char *columns, *ignore; /* of a CSV file: what a sample is made of, or what is left out */
  char *sequence;         /* of a CSV file: the column that says to which sequence a row belongs */
  bool each_step;         /* and the target is a class for each of its steps */
  int64_t buckets;        /* lengths that batches of sequences are padded to; 0: the usual number */
  cy_image_size resize; /* of the images of data, as they are read; {0, 0}: as they are */
  int fit, channels;    /* cy_fit, cy_image_mode */
  cy_window_options windows; /* that data's tables are cut into; its strings belong to the recipe, shares are options' */
  int64_t length;   /* of windows of a text, of sequences that are generated; 0: the usual one */
  char *model;      /* architecture language; NULL: the usual one for the data */
  char *model_file; /* or a file of it */
  char *baseline;   /* another network, trained alike, to compare with; NULL: none */
  double baseline_rate;    /* its learning rate and epochs, if not 0 */
  int64_t baseline_epochs;
  cy_trainer_options options; /* zeros: the trainer's usual values. Schedule in epochs. Strings belong to the library */
} cli_recipe;

void cli_recipe_clear(cli_recipe *recipe);

typedef enum cli_key_kind {
  CLI_KEY_TEXT,   /* char * */
  CLI_KEY_LIST,   /* char *: words "a, b, c"; in a file also a list */
  CLI_KEY_PATH,   /* char *: relative to the recipe's folder if read from a file */
  CLI_KEY_NUMBER, /* double */
  CLI_KEY_COUNT,  /* int64_t */
  CLI_KEY_SEED,   /* uint64_t */
  CLI_KEY_SMALL,  /* int */
  CLI_KEY_NAME,   /* const char * out of choices */
  CLI_KEY_CHOICE, /* enum stored as int: the number of the choice */
  CLI_KEY_LAST,   /* bool: the number of the choice (0 or 1) */
  CLI_KEY_SIZE,   /* cy_image_size: 64 or 48x64 */
  CLI_KEY_SIZES,  /* cy_image_size[CY_MAX_SIZES]: 24, 28x32, ...; in a file also a list */
} cli_key_kind;

typedef enum cli_key_flags {
  CLI_KEY_LOW_OPEN = 1,      /* the end itself is out of the range */
  CLI_KEY_HIGH_OPEN = 2,
  CLI_KEY_EXACT_ZERO = 4,    /* 0 is stored as CY_EXACT_ZERO, as 0 means the usual value */
  CLI_KEY_ZERO_IS_NONE = 8,  /* 0 is stored as -1 */
  CLI_KEY_ALIAS = 16,        /* another spelling of a key: not written out */
  CLI_KEY_IF_SET = 32,       /* written out only if not zero */
  CLI_KEY_RESUMABLE = 64,    /* may be changed when a training is resumed */
} cli_key_flags;

typedef struct cli_key {
  const char *path; /* "optimizer.beta1" */
  cli_key_kind kind;
  size_t offset; /* in cli_recipe */
  unsigned flags;
  double low, high;
  const char *(*choice)(int i); /* NULL beyond the last */
  const char *usual, *help;
} cli_key;

const cli_key *cli_recipe_key(int i); /* NULL beyond the last */
/* NULL if unknown: then cy_error_message suggests the nearest. */
const cli_key *cli_recipe_find(const char *path);
/* Whether keys "<path>.<something>" exist. */
bool cli_recipe_is_group(const char *path);

/* recipe.c. folder: what a path is relative to; NULL: the current one. */
CY_MUST_CHECK cy_status cli_recipe_set(cli_recipe *recipe, const char *path, const char *value, const char *folder);
/* "24, 28x32" or "[24, 28x32]": height x width; one number for squares. name: for messages. */
CY_MUST_CHECK cy_status cli_read_sizes(const char *name, const char *text, cy_image_size sizes[CY_MAX_SIZES]);
/* One of them. */
CY_MUST_CHECK cy_status cli_read_size(const char *name, const char *text, cy_image_size *size);
/* How its data are read. Strings belong to the recipe. */
CY_MUST_CHECK cy_status cli_recipe_data_options(const cli_recipe *recipe, cy_dataset_options *options);
/* The network of a recipe that names none. Free with cy_string_free. */
CY_MUST_CHECK cy_status cli_usual_model(const cy_dataset *dataset, char **model);
/* Whether the optimizer has a setting of this name, as in optimizer.NAME. */
bool cli_optimizer_has(const char *optimizer, const char *setting);
/* "key=value". What belongs to the model or optimizer that it replaces is forgotten. */
CY_MUST_CHECK cy_status cli_recipe_override(cli_recipe *recipe, const char *word);
/* A recipe of this name comes with the command. */
bool cli_recipe_is_builtin(const char *name);
CY_MUST_CHECK cy_status cli_recipe_builtin(cli_recipe *recipe, const char *name);
const char *cli_recipe_builtin_name(int i); /* NULL beyond the last */
/* From what the user writes: a YAML file, a built-in recipe, or a data set. */
CY_MUST_CHECK cy_status cli_recipe_open(cli_recipe *recipe, const char *word);

/* recipe_yaml.c: reads a file into the recipe; errors name file and line. CY_UNSUPPORTED in a build without libyaml. */
CY_MUST_CHECK cy_status cli_recipe_read(cli_recipe *recipe, const char *path);
/* recipe_write.c: as YAML that reads back as the same recipe. Free with cy_string_free. */
CY_MUST_CHECK cy_status cli_recipe_text(const cli_recipe *recipe, char **text);

#endif
