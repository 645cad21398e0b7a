/* CIFAR-10 and CIFAR-100 in their binary form (cs.toronto.edu/~kriz/cifar.html), shared by the two files that read it:
 * cifar_files.c finds which files there are, open_cifar.c reads their records. */
#ifndef CY_DATA_CIFAR_H
#define CY_DATA_CIFAR_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CY_CIFAR_TEST = 1000 }; /* the order of the file of test samples; fewer training files than that */

typedef struct cy_cifar_format {
  const char *train, *test; /* files without ".bin"; a train file that ends with _ is numbered from 1 */
  const char *folder, *archive; /* as published */
  int label_bytes;
  struct {
    const char *target; /* what the label tells */
    const char *names;  /* file of the class names */
    int byte;           /* of the record */
    int64_t classes;
  } labels[2]; /* the first is the usual one */
} cy_cifar_format;

typedef struct cy_cifar_file {
  int order;   /* 1, 2, ... of training files, CY_CIFAR_TEST */
  char *path;  /* what messages call it */
  char *bytes; /* NULL: not read yet */
  size_t length;
} cy_cifar_file;

/* What was found: files by order, and the text of the class names. Begin with the format and zeros. */
typedef struct cy_cifar_files {
  const cy_cifar_format *format;
  const char *names_file; /* which file holds the class names */
  cy_cifar_file *files;
  size_t count, capacity;
  uint64_t archived;             /* bytes that came out of an archive, which are all held at once */
  char *names_text, *names_path; /* NULL: no file of class names */
} cy_cifar_files;

void cy_cifar_files_clear(cy_cifar_files *found);

/* Fills `found` from a folder; from an archive, whose files are read at once; from one file of records, beside which
 * the class names may lie. */
typedef cy_status (*cy_cifar_collector)(cy_cifar_files *found, const char *path);
cy_status cy_cifar_collect_folder(cy_cifar_files *found, const char *folder);
cy_status cy_cifar_collect_archive(cy_cifar_files *found, const char *path);
cy_status cy_cifar_collect_one(cy_cifar_files *found, const char *path);

/* Where below the folder a set of the format is: its files, its published folder, its archive. *collect NULL: nowhere.
 * *path: cy_free. */
cy_status cy_cifar_find(const cy_cifar_format *format, const char *folder, cy_cifar_collector *collect, char **path);
/* Is it named as a file of the format's records? */
bool cy_cifar_is_named(const cy_cifar_format *format, const char *path);
/* Reads what is not read yet. */
cy_status cy_cifar_file_load(cy_cifar_file *file);

#endif
