/* Recipe files: YAML whose keys are those of the table. Everything is read by the same rules as `key=value` words; this
 * file adds what a file has: nesting and lines. libyaml is used directly: it knows the line of every node, and hands
 * over scalars as text, where libcyaml 1.3 takes "3.5" for a whole number and "0.1x" for a number. */
#include "cli/model_file.h"
#include "cli/recipe.h"

#include "cauchy_config.h"

#include <string.h>

#if CY_HAVE_YAML
#include <yaml.h>

enum { MAX_RECIPE_BYTES = 1 << 20, MAX_KEYS = 64 };

typedef struct reader {
  cli_recipe *recipe;
  const char *path; /* of the file */
  char *folder;     /* of the file */
  yaml_document_t document;
  const cli_key *seen[MAX_KEYS]; /* by number: the key that was given */
  size_t seen_line[MAX_KEYS];
  int n_seen;
} reader;

static cy_status at_line(const reader *r, cy_status status, size_t line) {
  return cy_fail_in(status, "%s:%zu", r->path, line + 1);
}

static const char *scalar(const yaml_node_t *node) { return (const char *)node->data.scalar.value; }

static bool is_null(const yaml_node_t *node) {
  const char *text = scalar(node);
  if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) return false;
  return text[0] == 0 || strcmp(text, "~") == 0 || strcmp(text, "null") == 0;
}

/* A key may be given once, whatever its spelling: optimizer and optimizer.name are the same. */
static cy_status note_key(reader *r, const cli_key *key, size_t line) {
  for (int i = 0; i < r->n_seen; i++)
    if (r->seen[i]->offset == key->offset)
      return cy_fail(CY_INVALID, "%s was given before, in line %zu", key->path, r->seen_line[i] + 1);
  if (r->n_seen == MAX_KEYS) return cy_fail(CY_INVALID, "too many keys");
  r->seen[r->n_seen] = key;
  r->seen_line[r->n_seen++] = line;
  return CY_OK;
}

static cy_status read_scalar(reader *r, const char *path, const yaml_node_t *value, size_t line) {
  const cli_key *key = cli_recipe_find(path);
  const char *text = scalar(value);
  if (strlen(text) != value->data.scalar.length) return cy_fail(CY_INVALID, "%s holds a zero byte", path);
  if (key) CY_TRY(note_key(r, key, line));
  if (key && is_null(value)) return CY_OK; /* left at its usual value */
  return cli_recipe_set(r->recipe, path, text, r->folder);
}

/* A list of scalars, for a key that takes one: as "a, b, c". */
static cy_status read_list(reader *r, const char *path, const yaml_node_t *list, size_t line) {
  const cli_key *key = cli_recipe_find(path);
  cy_text text = {0};
  if (!key) return CY_INVALID;
  CY_TRY(note_key(r, key, line));
  for (const yaml_node_item_t *item = list->data.sequence.items.start; item < list->data.sequence.items.top; item++) {
    const yaml_node_t *node = yaml_document_get_node(&r->document, *item);
    const char *word = node->type == YAML_SCALAR_NODE ? scalar(node) : "[...]";
    if (item != list->data.sequence.items.start) cy_text_add(&text, ", ");
    if (key->kind == CLI_KEY_LIST) cli_add_word(&text, word);
    else cy_text_add(&text, "%s", word);
  }
  char *joined = cy_text_take(&text);
  if (!joined) return cy_no_memory();
  cy_status status = cli_recipe_set(r->recipe, path, joined, r->folder);
  cy_free(joined);
  return status;
}

static bool takes_list(const cli_key *key) { return key->kind == CLI_KEY_SIZES || key->kind == CLI_KEY_LIST; }

static cy_status read_mapping(reader *r, const yaml_node_t *mapping, const char *prefix);

static cy_status read_pair(reader *r, const yaml_node_t *name, const yaml_node_t *value, const char *prefix) {
  char path[128];
  size_t line = name->start_mark.line;
  if (name->type != YAML_SCALAR_NODE) return at_line(r, cy_fail(CY_INVALID, "a key must be a word"), line);
  if (strlen(prefix) + strlen(scalar(name)) + 2 > sizeof path) {
    cy_status status = cy_fail(CY_INVALID, "unknown key \"%.60s...\"", scalar(name));
    return at_line(r, status, line);
  }
  strcpy(path, prefix);
  if (prefix[0]) strcat(path, ".");
  strcat(path, scalar(name));
  cy_status status;
  if (value->type == YAML_SCALAR_NODE) status = read_scalar(r, path, value, line);
  else if (value->type == YAML_MAPPING_NODE && cli_recipe_is_group(path)) return read_mapping(r, value, path);
  else if (!cli_recipe_find(path)) status = CY_INVALID;
  else if (value->type == YAML_SEQUENCE_NODE && takes_list(cli_recipe_find(path)))
    status = read_list(r, path, value, line);
  else status = cy_fail(CY_INVALID, "%s takes one value, not a %s", path,
                        value->type == YAML_MAPPING_NODE ? "group of keys" : "list");
  return status == CY_OK ? CY_OK : at_line(r, status, line);
}

static cy_status read_mapping(reader *r, const yaml_node_t *mapping, const char *prefix) {
  for (const yaml_node_pair_t *p = mapping->data.mapping.pairs.start; p < mapping->data.mapping.pairs.top; p++) {
    const yaml_node_t *name = yaml_document_get_node(&r->document, p->key);
    const yaml_node_t *value = yaml_document_get_node(&r->document, p->value);
    CY_TRY(read_pair(r, name, value, prefix));
  }
  return CY_OK;
}

/* What follows "---" would be left aside without a word. */
static cy_status expect_end(reader *r, yaml_parser_t *parser) {
  yaml_document_t next;
  if (!yaml_parser_load(parser, &next)) {
    cy_status status = cy_fail(CY_INVALID, "not YAML: %s", parser->problem ? parser->problem : "unreadable");
    return parser->error == YAML_MEMORY_ERROR ? cy_no_memory() : at_line(r, status, parser->problem_mark.line);
  }
  bool more = yaml_document_get_root_node(&next) != NULL;
  size_t line = next.start_mark.line;
  yaml_document_delete(&next);
  return more ? at_line(r, cy_fail(CY_INVALID, "a second document begins; a recipe is one"), line) : CY_OK;
}

static cy_status read_document(reader *r, yaml_parser_t *parser) {
  if (!yaml_parser_load(parser, &r->document)) {
    if (parser->error == YAML_MEMORY_ERROR) return cy_no_memory();
    size_t line = parser->problem_mark.line;
    return at_line(r, cy_fail(CY_INVALID, "not YAML: %s", parser->problem ? parser->problem : "unreadable"), line);
  }
  const yaml_node_t *root = yaml_document_get_root_node(&r->document);
  cy_status status = CY_OK;
  if (!root) status = cy_fail(CY_INVALID, "%s: the recipe is empty", r->path);
  else if (root->type != YAML_MAPPING_NODE)
    status =
        cy_fail(CY_INVALID, "%s:%zu: a recipe is lines of the form key: value", r->path, root->start_mark.line + 1);
  else status = read_mapping(r, root, "");
  if (status == CY_OK && r->recipe->model && r->recipe->model_file)
    status = cy_fail(CY_INVALID, "%s: gives both model and model.file", r->path);
  yaml_document_delete(&r->document);
  return status == CY_OK ? expect_end(r, parser) : status;
}

cy_status cli_recipe_read(cli_recipe *recipe, const char *path) {
  char *bytes;
  size_t length;
  yaml_parser_t parser;
  CY_TRY(cy_file_read(path, MAX_RECIPE_BYTES, &bytes, &length));
  const char *slash = strrchr(path, '/');
  reader r = {
      .recipe = recipe, .path = path, .folder = slash ? cy_strndup(path, (size_t)(slash - path) + 1) : cy_strdup("")};
  cy_status status = r.folder && yaml_parser_initialize(&parser) ? CY_OK : cy_no_memory();
  if (status == CY_OK) {
    if (strlen(r.folder) > 1) r.folder[strlen(r.folder) - 1] = 0;
    yaml_parser_set_input_string(&parser, (const unsigned char *)bytes, length);
    status = read_document(&r, &parser);
    yaml_parser_delete(&parser);
  }
  cy_free(r.folder);
  cy_string_free(bytes);
  return status;
}

#else

cy_status cli_recipe_read(cli_recipe *recipe, const char *path) {
  (void)recipe;
  return cy_fail(CY_UNSUPPORTED, "%s: this build reads no recipe files, because libyaml was missing; built-in recipes "
                 "and key=value words work: cauchy train data=... model=...", path);
}

#endif
