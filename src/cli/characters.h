/* The characters that a model of a text knows, and going on from some of them: for sample and predict. */
#ifndef CY_CLI_CHARACTERS_H
#define CY_CLI_CHARACTERS_H

#include "cli/cli.h"

typedef struct cli_characters {
  int64_t count;
  const char **starts; /* [count + 1]: where each begins in the vocabulary, which belongs to the model */
} cli_characters;

/* path: of the model, for messages. */
CY_MUST_CHECK cy_status cli_characters_of(const cy_trained *trained, const char *path, cli_characters *characters);
void cli_characters_clear(cli_characters *characters);
/* The number of the character of so many bytes; -1 if the model does not know it. */
int64_t cli_character_number(const cli_characters *characters, const char *character, size_t bytes);
/* Numbers of a whole text, checked: one for each of *n characters. Free with cy_free. what: for messages. */
CY_MUST_CHECK cy_status cli_characters_read(const cli_characters *characters, const char *what, const char *text,
                                            size_t length, int64_t **numbers, size_t *n);

#endif
