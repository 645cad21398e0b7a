/* What the adapters of oneDNN share: its two versions made one, threads, scratchpads, reorders. 2.x describes memory by
 * a struct and operations by a descriptor; 3.x made both opaque: here a cy_dnnl_desc is what one owns and a cy_dnnl_md
 * what one passes on. Only in builds with the library. */
#ifndef CY_BACKEND_CPU_DNNL_COMMON_H
#define CY_BACKEND_CPU_DNNL_COMMON_H

#include "base/error.h"

#include <dnnl.h>
#include <stdbool.h>
#include <stddef.h>

/* Zero bytes are an empty description. */
typedef dnnl_memory_desc_t cy_dnnl_desc;
#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t cy_dnnl_md;
#else
typedef const dnnl_memory_desc_t *cy_dnnl_md;
#endif

/* All f32. tag may be dnnl_format_tag_any. False if the library refuses. */
bool cy_dnnl_describe_strides(cy_dnnl_desc *desc, int rank, const dnnl_dims_t dims, const dnnl_dims_t strides);
bool cy_dnnl_describe_tag(cy_dnnl_desc *desc, int rank, const dnnl_dims_t dims, dnnl_format_tag_t tag);
void cy_dnnl_forget(cy_dnnl_desc *desc);
cy_dnnl_md cy_dnnl_look(const cy_dnnl_desc *desc);

/* A primitive descriptor's memory: NULL if it has none such. */
cy_dnnl_md cy_dnnl_query(const_dnnl_primitive_desc_t primitive, dnnl_query_t what);
size_t cy_dnnl_scratch_bytes(const_dnnl_primitive_desc_t primitive);
/* "brgconv:avx512_core"; "" if the library doesn't say. */
const char *cy_dnnl_implementation(const_dnnl_primitive_desc_t primitive);
/* Memory whose address is set later. */
dnnl_status_t cy_dnnl_memory(dnnl_memory_t *memory, cy_dnnl_md desc, dnnl_engine_t engine);
/* Attributes that ask for scratchpads given by the caller; NULL if out of memory. */
dnnl_primitive_attr_t cy_dnnl_attributes(void);

/* The threads of the calls between enter and leave. Built with OpenMP, oneDNN asks omp_get_max_threads() when a
 * primitive is created (it sizes its division of work and its scratchpad by it) and again when it runs. That number
 * belongs to the calling thread, not to the process: enter sets it to the plan's and leave puts the caller's back. */
int cy_dnnl_enter_threads(int threads);
void cy_dnnl_leave_threads(int before);

/* What the library's status means to our callers; what: "contraction". */
cy_status cy_dnnl_status(dnnl_status_t status, const char *what);

#endif
