/* From what the user writes (a name, a folder, a file) to the reader that opens it. */
#include "base/memory.h"
#include "data/ragged.h"
#include "data/windows.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool ends_with(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n >= m && strcmp(text + n - m, end) == 0;
}

/* "data/wine.csv.gz" -> "wine". */
static char *short_name(const char *path) {
  static const char *const endings[] = {".gz", ".csv", ".tsv", ".data", ".npz", ".idx", ".tar", ".bin", ".txt"};
  size_t n = strlen(path);
  while (n > 1 && path[n - 1] == '/') n--;
  size_t start = n;
  while (start > 0 && path[start - 1] != '/') start--;
  char *name = cy_strndup(path + start, n - start);
  for (size_t i = 0; name && i < sizeof endings / sizeof *endings; i++)
    if (ends_with(name, endings[i]) && strlen(name) > strlen(endings[i])) name[strlen(name) - strlen(endings[i])] = 0;
  return name;
}

static cy_status not_here(const cy_data_set *set, const char *directory) {
  char *own = NULL;
  if (!directory && cy_data_directory(&own) == CY_OK) directory = own;
  char package[128] = "";
  if (set->system_package) snprintf(package, sizeof package, ", or by: apt install %s", set->system_package);
  cy_status status = cy_fail(CY_IO, "%s is not in %s/%s; fetch it by: cauchy data get %s%s", set->name,
                             directory ? directory : "?", set->name, set->name, package);
  cy_free(own);
  return status;
}

static cy_status open_set(const cy_data_set *set, const char *spec, cy_dataset_options options, cy_dataset **dataset) {
  char *folder;
  int64_t classes;
  if (cy_corners_is_name(spec)) return cy_open_corners(spec, dataset);
  if (strcmp(set->name, "sonnets") == 0) return cy_open_sonnets(options, dataset);
  if (strcmp(set->name, "brackets") == 0) return cy_open_brackets(options, dataset);
  if (strcmp(set->name, "adding") == 0) return cy_open_adding(options, dataset);
  if (!set->files) return cy_open_embedded(set->name, dataset);
  CY_TRY(cy_data_locate(set, options.directory, &folder));
  if (!folder) return not_here(set, options.directory);
  const char *const *names = cy_registry_class_names(set, &classes);
  cy_status status = cy_open_text_folder(set->name, folder, options, dataset);
  if (status == CY_OK && !*dataset) status = cy_open_cifar_folder(set->name, folder, options, dataset);
  if (status == CY_OK && !*dataset) status = cy_open_idx_folder(set->name, folder, names, classes, dataset);
  cy_free(folder);
  return status;
}

static bool is_csv(const char *path) {
  static const char *const endings[] = {".csv", ".csv.gz", ".tsv", ".tsv.gz", ".data", ".data.gz"};
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
    if (ends_with(path, endings[i])) return true;
  return false;
}

bool cy_dataset_is_csv(const char *spec) { return is_csv(spec); }

static bool is_cifar(const char *path) {
  static const char *const endings[] = {".bin", ".bin.gz", ".tar", ".tar.gz", ".tgz"};
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
    if (ends_with(path, endings[i])) return true;
  return false;
}

static cy_status open_folder(const char *path, const char *name, cy_dataset_options options, cy_dataset **dataset) {
  if (options.sequence) {
    CY_TRY(cy_open_sequence_folder(name, path, options, dataset));
    return *dataset ? CY_OK : cy_fail(CY_INVALID, "%s: there are no CSV files in it", path);
  }
  CY_TRY(cy_open_cifar_folder(name, path, options, dataset));
  if (!*dataset) CY_TRY(cy_open_text_folder(name, path, options, dataset));
  if (!*dataset) CY_TRY(cy_open_images(name, path, options, dataset));
  if (!*dataset) CY_TRY(cy_open_sequence_folder(name, path, options, dataset));
  return *dataset ? CY_OK : cy_open_idx_folder(name, path, NULL, -1, dataset);
}

static cy_status open_path(const char *path, const char *name, bool folder, cy_dataset_options options,
                           cy_dataset **dataset) {
  const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
  if (folder) return open_folder(path, name, options, dataset);
  if (cy_text_is_name(path)) return cy_open_text_file(name, path, options, dataset);
  if (ends_with(path, ".npz")) return cy_open_npz(name, path, options, dataset);
  if (options.sequence && options.sequence[0]) return cy_open_sequence_table(name, path, options, dataset);
  if (options.sequence) return cy_open_sequence_folder(name, path, options, dataset);
  if (is_csv(path)) return cy_open_csv(name, path, options, dataset);
  if (is_cifar(path)) return cy_open_cifar_file(name, path, options, dataset);
  if (strstr(base, "images")) return cy_open_idx_pair(name, path, dataset);
  return cy_fail(CY_INVALID, "%s: a data set is a .csv, .tsv, .data, .npz or .txt file, an IDX file with \"images\" in "
                 "its name, CIFAR's .bin or .tar.gz, or a folder of IDX or CIFAR files, or of folders of pictures or CSV files by class",
                 path);
}

static cy_status open_any(const char *spec, cy_dataset_options options, cy_dataset **dataset) {
  struct stat info;
  const cy_data_set *set = strchr(spec, '/') ? NULL : cy_data_find(spec);
  *dataset = NULL;
  if (set) return open_set(set, spec, options, dataset);
  if (stat(spec, &info) != 0) {
    if (strchr(spec, '/') || strchr(spec, '.'))
      return cy_fail(CY_IO, "%s: there is no such file or folder", spec);
    return cy_fail_in(CY_INVALID, "%s is not a file", spec); /* with the suggestion of cy_data_find */
  }
  char *name = short_name(spec);
  if (!name) return cy_no_memory();
  cy_status status = open_path(spec, name, S_ISDIR(info.st_mode), options, dataset);
  cy_free(name);
  return status;
}

/* What could not be done while reading is done now. */
static cy_status prepare(cy_dataset *d, cy_image_options o) {
  cy_image_size size = d->images.size;
  bool done = size.height == o.size.height && size.width == o.size.width && d->images.mode == o.mode;
  return done ? CY_OK : cy_dataset_prepare(d, o);
}

/* A pattern such as "air/north-*.csv" is called by its folder. */
static char *name_of_tables(const char *spec) {
  const char *special = strpbrk(spec, "*?[{");
  if (!special) return short_name(spec);
  while (special > spec && special[-1] != '/') special--;
  char *folder = special > spec ? cy_strndup(spec, (size_t)(special - spec)) : cy_strdup("tables");
  char *name = folder ? short_name(folder) : NULL;
  cy_free(folder);
  return name;
}

/* Tables of sequences. */
static cy_status open_to_cut(const char *spec, cy_dataset_options options, cy_dataset **dataset) {
  const char *target = options.target;
  *dataset = NULL;
  if (!target)
    return cy_fail(CY_INVALID, "%s: windows need a target: the column that the label is taken from, or \"input\"", spec);
  struct stat info;
  if (!strchr(spec, '/') && stat(spec, &info) != 0 && cy_data_find(spec))
    return cy_fail(CY_INVALID, "%s: windows are cut from tables of yours (CSV files), not from a known data set", spec);
  char *name = name_of_tables(spec);
  if (!name) return cy_no_memory();
  cy_status status = cy_open_windows(name, spec, strcmp(target, "input") == 0 ? NULL : target, options, dataset);
  cy_free(name);
  return status;
}

/* "input" is a column's name first. */
static cy_status open_to_reconstruct(const char *spec, cy_dataset_options options, cy_dataset **dataset) {
  cy_status status = is_csv(spec) ? open_any(spec, options, dataset) : CY_INVALID;
  if (status != CY_INVALID) return status;
  options.target = NULL;
  options.task = CY_TASK_DETECT;
  CY_TRY(open_any(spec, options, dataset));
  return cy_dataset_reconstruct(*dataset);
}

cy_status cy_dataset_open(const char *spec, cy_dataset_options options, cy_dataset **dataset) {
  cy_image_size size = options.images.size;
  *dataset = NULL;
  if (size.height < 0 || size.width < 0 || (size.height == 0) != (size.width == 0) ||
      size.height > CY_IMAGE_MAX_PIXELS || size.width > CY_IMAGE_MAX_PIXELS / (size.height ? size.height : 1))
    return cy_fail(CY_INVALID, "%s: images cannot be resized to %lldx%lld", spec, (long long)size.height,
                   (long long)size.width);
  bool reconstruct = options.target && strcmp(options.target, "input") == 0, cut = options.windows.length != 0;
  if (options.sequence && cut)
    return cy_fail(CY_INVALID, "%s: sequence and windows exclude each other: a sample is a sequence, or a window of one",
                   spec);
  bool arrays = ends_with(spec, ".npz");
  if (options.each_step && (!options.sequence || !options.sequence[0]) && !reconstruct && !arrays)
    return cy_fail(CY_INVALID, "%s: labels of each step are of sequences in a table: sequence: COLUMN", spec);
  static const char stream[] = "/dev/fd/"; /* which has no name to tell */
  if (options.sequence && options.sequence[0] && !is_csv(spec) && strncmp(spec, stream, strlen(stream)) != 0)
    return cy_fail(CY_INVALID, "%s: sequence is a column of a CSV file", spec);
  bool single = options.sequence && !options.sequence[0] && is_csv(spec);
  if (single && !reconstruct)
    return cy_fail(CY_INVALID, "%s: is one sequence; files by class are folder/class/file.csv", spec);
  bool listed = options.columns || options.ignore;
  if (listed && cut)
    return cy_fail(CY_INVALID, "%s: columns and ignore are of CSV files whose rows are samples, windows.columns of windows",
                   spec);
  cy_status status = cut ? open_to_cut(spec, options, dataset)
                     : reconstruct && !options.sequence ? open_to_reconstruct(spec, options, dataset)
                                   : open_any(spec, options, dataset);
  if (status == CY_OK && listed && !is_csv(spec) && !options.sequence && !(*dataset)->ragged)
    status = cy_fail(CY_INVALID, "%s: columns and ignore are of CSV files", spec);
  if (status == CY_OK && options.each_step && !reconstruct && !(*dataset)->each_step)
    status = cy_fail(CY_INVALID, "%s: has no labels of each step; in arrays they are y [N, steps] beside lengths", spec);
  if (status == CY_OK && options.buckets && !(*dataset)->ragged)
    status = cy_fail(CY_INVALID, "%s: buckets are of sequences of different lengths, but its samples are of one shape", spec);
  if (status == CY_OK) status = prepare(*dataset, options.images);
  if (status == CY_OK) return CY_OK;
  cy_dataset_free(*dataset);
  *dataset = NULL;
  return status;
}
