/* What `cauchy derive` is made of: a formula or a network turned into a derivation (derive.c, derive_network.c), and
 * pages of it typeset (derive_latex.c). */
#ifndef CY_CLI_DERIVE_H
#define CY_CLI_DERIVE_H

#include "cli/cli.h"

#include <cauchy/derive.h>

/* A network in words (or a file, a recipe, a run) with --input, --loss and --batch: rows are examples, x W + b. The
 * graph is the caller's, to be freed after the derivation. names: "W1 = dense1.weight, ..." (cy_string_free). */
CY_MUST_CHECK cy_status cli_derive_network(const cli_arguments *a, cy_derive_options options, cy_graph **graph,
                                           cy_derivation **derivation, char **names);

/* To a pipe or a device as it is; else the path has the old file or all of the new one. */
CY_MUST_CHECK cy_status cli_derive_save(const char *bytes, size_t length, const char *path);

/* Typesets a LaTeX document: page.pdf or, with png, the first page as picture, without the empty paper around. Fails
 * with the programs' names if they are not here. */
CY_MUST_CHECK cy_status cli_derive_typeset(const char *latex, const char *path, bool png);

#endif
