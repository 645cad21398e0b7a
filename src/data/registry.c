/* The public data sets that Cauchy knows by name, as one table, and where they live on this machine. Checksums are
 * those of the publishers' files, as torchvision and others publish them too. */
#include "base/memory.h"
#include "base/text.h"
#include "data/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const cy_data_file mnist_files[] = {
    {"train-images-idx3-ubyte.gz", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9912422},
    {"train-labels-idx1-ubyte.gz", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28881},
    {"t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1648877},
    {"t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4542},
    {NULL, NULL, 0},
};
static const char *const mnist_urls[] = {"https://ossci-datasets.s3.amazonaws.com/mnist",
                                         "https://storage.googleapis.com/cvdf-datasets/mnist", NULL};

static const cy_data_file fashion_files[] = {
    {"train-images-idx3-ubyte.gz", "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", 26421880},
    {"train-labels-idx1-ubyte.gz", "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", 29515},
    {"t10k-images-idx3-ubyte.gz", "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", 4422102},
    {"t10k-labels-idx1-ubyte.gz", "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5", 5148},
    {NULL, NULL, 0},
};
static const char *const fashion_urls[] = {
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com", NULL};
static const char *const fashion_classes[] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                              "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"};

static const cy_data_file kmnist_files[] = {
    {"train-images-idx3-ubyte.gz", "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4", 18165135},
    {"train-labels-idx1-ubyte.gz", "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17", 29497},
    {"t10k-images-idx3-ubyte.gz", "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5", 3041136},
    {"t10k-labels-idx1-ubyte.gz", "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c", 5120},
    {NULL, NULL, 0},
};
static const char *const kmnist_urls[] = {"https://codh.rois.ac.jp/kmnist/dataset/kmnist", NULL};
static const char *const kmnist_classes[] = {"o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"};

/* The checksums that TensorFlow Datasets publishes for the files of cs.toronto.edu. */
static const cy_data_file cifar10_files[] = {
    {"cifar-10-binary.tar.gz", "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd", 170052171},
    {NULL, NULL, 0},
};
static const cy_data_file cifar100_files[] = {
    {"cifar-100-binary.tar.gz", "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec", 168513733},
    {NULL, NULL, 0},
};
static const char *const cifar_urls[] = {"https://www.cs.toronto.edu/~kriz", NULL};

static const cy_data_file shakespeare_files[] = {
    {"input.txt", "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed", 1115394},
    {0},
};
static const char *const shakespeare_urls[] = {
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare", NULL};

static const cy_data_set sets[] = {
    {.name = "digits",
     .title = "handwritten digits, 8x8, embedded",
     .description = "1797 grey images of 1x8x8, 10 classes; fixed test part: every fifth image of each class (355)",
     .source = "E. Alpaydin, C. Kaynak, UCI machine learning repository, doi:10.24432/C50P49",
     .licence = "CC BY 4.0"},
    {.name = "iris",
     .title = "three species of iris, embedded",
     .description = "150 flowers, 4 measurements in cm, 3 classes; no fixed test part",
     .source = "R. A. Fisher 1936, UCI machine learning repository, doi:10.24432/C56C76",
     .licence = "CC BY 4.0"},
    {.name = "breast-cancer",
     .title = "malignant or benign, from cells under a microscope, embedded",
     .description = "569 samples, 30 measurements of cell nuclei, 2 classes; no fixed test part",
     .source = "W. H. Wolberg, W. N. Street, O. L. Mangasarian 1995, UCI machine learning repository, "
               "doi:10.24432/C5DW2B",
     .licence = "CC BY 4.0"},
    {.name = "wine",
     .title = "three cultivars of grapes, from the wine, embedded",
     .description = "178 wines, 13 chemical measurements, 3 classes; no fixed test part",
     .source = "M. Forina and others 1991, UCI machine learning repository, doi:10.24432/C5PC7J",
     .licence = "CC BY 4.0"},
    {.name = "xor",
     .title = "two classes that no line separates, points of a plane, generated",
     .description = "1024 training and 512 test points from four round clouds at (+-1, +-1) of deviation 0.4, 2 classes: "
                    "whether both coordinates of the cloud have the same sign",
     .source = "made by Cauchy; after M. Minsky, S. Papert 1969, Perceptrons",
     .licence = "CC0"},
    {.name = "pulses",
     .title = "which of two pulses came first? sequences, generated",
     .description = "1024 training and 512 test sequences of 3 sensors x 64 steps, 2 classes: whether the pulse of the first "
                    "sensor is earlier than that of the second; averages tell nothing",
     .source = "made by Cauchy",
     .licence = "CC0"},
    {.name = "brackets",
     .title = "are the brackets balanced? sequences of different lengths, generated",
     .description = "4000 training and 1000 test words of ( ) [ ], one row for each symbol, of 2 to `length` steps (40), 2 "
                    "classes: whether they are balanced, or spoiled at a place or two",
     .source = "made by Cauchy; after N. Chomsky, M. P. Schuetzenberger 1963, the algebraic theory of context-free languages",
     .licence = "CC0"},
    {.name = "corners",
     .title = "two equal corners? images of any size, generated",
     .description = "corners-7, corners-9x11, ...: 2048 training and 512 test images of noise, 2 classes: whether the "
                    "upper left and the lower right pixel are equal; solved only by what sees both",
     .source = "made by Cauchy; after a question of a deep learning course at Mila, Montreal 2022",
     .licence = "CC0"},
    {.name = "adding",
     .title = "add the two marked numbers of a sequence, generated",
     .description = "20000 training and 2000 test sequences of two rows: numbers drawn from 0..1, and marks, one in each "
                    "half; the target is the sum of the marked numbers. `length` steps (100); answering 1 costs 1/6",
     .source = "made by Cauchy; after S. Hochreiter, J. Schmidhuber 1997, Long short-term memory",
     .licence = "CC0"},
    {.name = "sonnets",
     .title = "twelve sonnets, a text for models of characters, embedded",
     .description = "7347 characters, 57 different; samples are windows of `length` characters (128), labels the next ones; "
                    "cut by position",
     .source = "W. Shakespeare, London 1609",
     .licence = "public domain"},
    {.name = "tinyshakespeare",
     .title = "scenes of Shakespeare's plays, a text for models of characters",
     .description = "1115394 characters, 65 different; samples are windows of `length` characters (128), labels the next "
                    "ones; cut by position",
     .source = "A. Karpathy 2015, github.com/karpathy/char-rnn",
     .licence = "public domain",
     .urls = shakespeare_urls,
     .files = shakespeare_files},
    {.name = "mnist",
     .title = "handwritten digits, 28x28",
     .description = "60000 training and 10000 test images of 1x28x28, 10 classes",
     .source = "Y. LeCun, C. Cortes, C. J. C. Burges, yann.lecun.com/exdb/mnist",
     .licence = "CC BY-SA 3.0",
     .urls = mnist_urls,
     .files = mnist_files},
    {.name = "fashion-mnist",
     .title = "pieces of clothing, 28x28",
     .description = "60000 training and 10000 test images of 1x28x28, 10 classes",
     .source = "H. Xiao, K. Rasul, R. Vollgraf 2017, github.com/zalandoresearch/fashion-mnist",
     .licence = "MIT",
     .urls = fashion_urls,
     .files = fashion_files,
     .system_folder = "/usr/share/datasets/fashion-mnist",
     .system_package = "dataset-fashion-mnist"},
    {.name = "kmnist",
     .title = "cursive Japanese characters, 28x28",
     .description = "60000 training and 10000 test images of 1x28x28, 10 classes",
     .source = "T. Clanuwat and others 2018, KMNIST dataset by CODH, doi:10.20676/00000341",
     .licence = "CC BY-SA 4.0",
     .urls = kmnist_urls,
     .files = kmnist_files},
    {.name = "cifar10",
     .title = "photographs of ten kinds of things, 32x32",
     .description = "50000 training and 10000 test images of 3x32x32, 10 classes",
     .source = "A. Krizhevsky 2009, Learning multiple layers of features from tiny images, "
               "cs.toronto.edu/~kriz/cifar.html",
     .licence = "none stated; cite the report",
     .urls = cifar_urls,
     .files = cifar10_files,
     .unpacked = "data_batch_1.bin"},
    {.name = "cifar100",
     .title = "photographs of a hundred kinds of things, 32x32",
     .description = "50000 training and 10000 test images of 3x32x32, 100 classes; target coarse: their 20 groups",
     .source = "A. Krizhevsky 2009, Learning multiple layers of features from tiny images, "
               "cs.toronto.edu/~kriz/cifar.html",
     .licence = "none stated; cite the report",
     .urls = cifar_urls,
     .files = cifar100_files,
     .unpacked = "train.bin"},
};
enum { SETS = sizeof sets / sizeof *sets };

const cy_data_set *cy_data_list(int *count) {
  if (count) *count = SETS;
  return sets;
}

const cy_data_set *cy_data_find(const char *name) {
  const char *names[SETS];
  for (int i = 0; i < SETS; i++) {
    bool sized = strcmp(sets[i].name, "corners") == 0 && cy_corners_is_name(name);
    if (sized || strcmp(sets[i].name, name) == 0) return &sets[i];
    names[i] = sets[i].name;
  }
  const char *near = cy_nearest_name(name, names, SETS);
  cy_status status = cy_fail(CY_INVALID, "no data set is named \"%s\"%s%s%s", name, near ? "; did you mean \"" : "",
                             near ? near : "", near ? "\"?" : " (cauchy data list shows them)");
  (void)status; /* recorded for the caller */
  return NULL;
}

const char *const *cy_registry_class_names(const cy_data_set *set, int64_t *classes) {
  *classes = 10;
  if (set->files == fashion_files) return fashion_classes;
  if (set->files == kmnist_files) return kmnist_classes;
  return NULL; /* digits: their numbers */
}

/* ---- places ---- */

cy_status cy_data_directory(char **path) {
  const char *own = getenv("CAUCHY_DATA"), *xdg = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
  *path = NULL;
  if (own && own[0]) *path = cy_strdup(own);
  else if (xdg && xdg[0] == '/') *path = cy_join_path(xdg, "cauchy"); /* relative values are to be ignored */
  else if (home && home[0]) *path = cy_join_path(home, ".local/share/cauchy");
  else return cy_fail(CY_IO, "no data directory: none of CAUCHY_DATA, XDG_DATA_HOME and HOME is set");
  return *path ? CY_OK : cy_no_memory();
}

static bool is_file(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

/* Whether a file is there, compressed or not. */
static cy_status holds(const char *folder, const char *name, bool *there) {
  char path[4096];
  size_t n = strlen(name);
  int length = snprintf(path, sizeof path, "%s/%s", folder, name);
  if (length < 0 || (size_t)length + 4 > sizeof path) return cy_fail(CY_INVALID, "%s: the path is too long", folder);
  *there = is_file(path);
  if (*there) return CY_OK;
  if (n > 3 && strcmp(name + n - 3, ".gz") == 0) path[length - 3] = 0;
  else strcat(path, ".gz");
  *there = is_file(path);
  return CY_OK;
}

/* Whether every file is there, or a copy that someone has unpacked. */
static cy_status holds_all(const cy_data_set *set, const char *folder, bool *all) {
  *all = false;
  if (set->unpacked) CY_TRY(holds(folder, set->unpacked, all));
  if (*all) return CY_OK;
  *all = true;
  for (const cy_data_file *f = set->files; f->name && *all; f++) CY_TRY(holds(folder, f->name, all));
  return CY_OK;
}

cy_status cy_data_locate(const cy_data_set *set, const char *directory, char **folder) {
  char *own = NULL;
  bool found;
  *folder = NULL;
  if (!set->files) return (*folder = cy_strdup("")) ? CY_OK : cy_no_memory();
  if (!directory) {
    CY_TRY(cy_data_directory(&own));
    directory = own;
  }
  *folder = cy_join_path(directory, set->name);
  cy_free(own);
  if (!*folder) return cy_no_memory();
  cy_status status = holds_all(set, *folder, &found);
  if (status == CY_OK && found) return CY_OK;
  cy_free(*folder);
  *folder = NULL;
  if (status != CY_OK || !set->system_folder) return status;
  CY_TRY(holds_all(set, set->system_folder, &found));
  if (found) *folder = cy_strdup(set->system_folder);
  return found && !*folder ? cy_no_memory() : CY_OK;
}
