/* Are the brackets balanced? Words of ( ) [ ] of different lengths, generated: the Dyck language of two kinds, the
 * classic of languages that need a stack (N. Chomsky, M. P. Schuetzenberger 1963). Half of them are spoiled at one
 * or two places, of which counting symbols finds some. Independent of every seed. */
#include "base/memory.h"
#include "base/random.h"
#include "data/ragged.h"

#include <string.h>

enum { TRAIN = 4000, TEST = 1000, COUNT = TRAIN + TEST, KINDS = 2, SYMBOLS = 2 * KINDS, USUAL = 40, LONGEST = 2000 };
static const uint64_t brackets_seed = 0xB2AC8E7;

/* Symbol 2 k opens kind k, 2 k + 1 closes it. */
static bool closes(int symbol) { return symbol & 1; }

static bool is_balanced(const int *word, int64_t length, int *stack) {
  int64_t depth = 0;
  for (int64_t t = 0; t < length; t++) {
    if (!closes(word[t])) stack[depth++] = word[t];
    else if (depth == 0 || stack[--depth] != word[t] - 1) return false;
  }
  return depth == 0;
}

static void draw_balanced(cy_rng *rng, int64_t length, int *word, int *stack) {
  int64_t depth = 0;
  for (int64_t t = 0; t < length; t++) {
    bool open = depth == 0 || (depth < length - t && cy_rng_below(rng, 2) == 0);
    if (open) stack[depth++] = word[t] = 2 * (int)cy_rng_below(rng, KINDS);
    else word[t] = stack[--depth] + 1;
  }
}

/* One bracket becomes one of the other kind, or two change places. */
static void spoil(cy_rng *rng, int64_t length, int *word, int *stack) {
  while (is_balanced(word, length, stack)) {
    int64_t a = cy_rng_below(rng, length), b = cy_rng_below(rng, length);
    int kept = word[a];
    if (cy_rng_below(rng, 2) == 0) {
      word[a] = (kept + 2) % SYMBOLS;
    } else {
      word[a] = word[b];
      word[b] = kept;
    }
  }
}

/* The classes in turn, both equally often and equally long. */
static void draw(float *inputs, int32_t *labels, int64_t *lengths, int64_t longest, int *word) {
  cy_rng rng = cy_rng_make(brackets_seed, (uint64_t)longest);
  for (int64_t i = 0; i < COUNT; i++) {
    lengths[i] = i & 1 ? lengths[i - 1] : 2 * (1 + cy_rng_below(&rng, longest / 2));
    draw_balanced(&rng, lengths[i], word, word + longest);
    if (!(i & 1)) spoil(&rng, lengths[i], word, word + longest);
    labels[i] = (int32_t)(i & 1);
    for (int64_t t = 0; t < lengths[i]; t++) inputs[(i * SYMBOLS + word[t]) * longest + t] = 1;
  }
}

static cy_status build(cy_dataset_parts parts, const int64_t *lengths, int64_t buckets, cy_dataset **dataset) {
  static const char *const symbols[] = {"(", ")", "[", "]"};
  CY_TRY(cy_dataset_build(parts, dataset));
  cy_status status = cy_dataset_set_lengths(*dataset, lengths, buckets);
  if (status == CY_OK) status = cy_dataset_name_sequences(*dataset, NULL, symbols, NULL);
  if (status == CY_OK) return CY_OK;
  cy_dataset_free(*dataset);
  *dataset = NULL;
  return status;
}

cy_status cy_open_brackets(cy_dataset_options options, cy_dataset **dataset) {
  static const char *const classes[] = {"spoiled", "balanced"};
  int64_t longest = options.length ? options.length : USUAL;
  *dataset = NULL;
  if (longest < 2 || longest > LONGEST || longest % 2)
    return cy_fail(CY_INVALID, "brackets: words of up to %lld; length is even, 2 to %d", (long long)longest, LONGEST);
  cy_dataset_parts parts = {.name = "brackets", .origin = "embedded", .classes = 2, .class_names = classes,
                            .target_name = "word", .test_count = TEST, .length = longest};
  int64_t *lengths = cy_calloc(COUNT, sizeof *lengths);
  int *word = cy_calloc(2 * (size_t)longest, sizeof *word); /* and a stack */
  cy_status status = lengths && word ? CY_OK : cy_no_memory();
  if (status == CY_OK) status = cy_tensor_create(CY_F32, CY_SHAPE(COUNT, SYMBOLS, longest), &parts.inputs);
  if (status == CY_OK) status = cy_tensor_create(CY_I32, CY_SHAPE(COUNT), &parts.targets);
  if (status == CY_OK) {
    memset(cy_tensor_data(parts.inputs), 0, cy_tensor_bytes(parts.inputs));
    draw(cy_tensor_f32(parts.inputs), cy_tensor_i32(parts.targets), lengths, longest, word);
    status = build(parts, lengths, options.buckets, dataset);
  } else {
    cy_tensor_free(parts.inputs);
    cy_tensor_free(parts.targets);
  }
  cy_free(lengths);
  cy_free(word);
  return status;
}
