/* The verb analyze, by what it shows. */
#ifndef CY_CLI_ANALYZE_H
#define CY_CLI_ANALYZE_H

#include "cli/network.h"

#include <jansson.h>

typedef struct cli_analysis {
  cli_network network;
  cy_analysis *analysis;
  bool has_inference, has_training;
  cy_memory_facts inference, training;
  const char *title; /* of pictures */
  char inference_note[512], training_note[512]; /* why this memory was left out; "": it was not, or is not of interest */
} cli_analysis;

/* analyze_table.c: layers and totals, as text or as Markdown. */
cy_status cli_analysis_print(const cli_analysis *a, bool markdown);
/* analyze_json.c: the same as an object; NULL if memory is out. */
json_t *cli_analysis_json(const cli_analysis *a);

/* analyze_vary.c: sizes as functions of the input. */
cy_status cli_analysis_print_vary(const cli_analysis *a, bool markdown);
cy_status cli_analysis_vary_json(const cli_analysis *a, json_t *object);

/* analyze_field.c: one unit's receptive field. */
enum { CLI_FIELD_SAMPLES = 64 };
typedef struct cli_field {
  bool given;
  int layer;
  int64_t unit[CY_MAX_RANK];  /* of the layer's output of one example; -1: all */
  bool *seen[CY_MAX_RANK];    /* axis 0 is the batch */
  bool has_measured, agrees;
  bool *measured[CY_MAX_RANK]; /* of one example */
  cy_tensor *effective;       /* NULL unless asked for */
} cli_field;
/* By --field, --measure, --effective. */
cy_status cli_field_open(const cli_arguments *arguments, const cli_analysis *a, cli_field *field);
void cli_field_close(cli_field *field);
cy_status cli_field_print(const cli_analysis *a, const cli_field *field);
cy_status cli_field_json(const cli_analysis *a, const cli_field *field, json_t *object);
/* The field if one is given, else the network, to a .png or .svg file. */
cy_status cli_analysis_draw(const cli_analysis *a, const cli_field *field, const char *path);

/* What the field's columns say, for the spatial axes of the input: "41", "3x5", "all". Each returns buffer. */
enum { CLI_FIELD_SIZE = 96 };
const char *cli_field_size_text(const cli_analysis *a, const cy_layer_facts *layer, char buffer[CLI_FIELD_SIZE]);
const char *cli_field_stride_text(const cli_analysis *a, const cy_layer_facts *layer, char buffer[CLI_FIELD_SIZE]);
const char *cli_field_start_text(const cli_analysis *a, const cy_layer_facts *layer, char buffer[CLI_FIELD_SIZE]);

#endif
