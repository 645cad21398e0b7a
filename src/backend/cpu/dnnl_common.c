#include "backend/cpu/dnnl_common.h"

#if defined(_OPENMP)
#include <omp.h>
#endif

/* ---- two versions ---- */

#if DNNL_VERSION_MAJOR >= 3
bool cy_dnnl_describe_strides(cy_dnnl_desc *desc, int rank, const dnnl_dims_t dims, const dnnl_dims_t strides) {
  return dnnl_memory_desc_create_with_strides(desc, rank, dims, dnnl_f32, strides) == dnnl_success;
}

bool cy_dnnl_describe_tag(cy_dnnl_desc *desc, int rank, const dnnl_dims_t dims, dnnl_format_tag_t tag) {
  return dnnl_memory_desc_create_with_tag(desc, rank, dims, dnnl_f32, tag) == dnnl_success;
}

void cy_dnnl_forget(cy_dnnl_desc *desc) {
  if (*desc) dnnl_memory_desc_destroy(*desc);
  *desc = NULL;
}

cy_dnnl_md cy_dnnl_look(const cy_dnnl_desc *desc) { return *desc; }
#else
bool cy_dnnl_describe_strides(cy_dnnl_desc *desc, int rank, const dnnl_dims_t dims, const dnnl_dims_t strides) {
  return dnnl_memory_desc_init_by_strides(desc, rank, dims, dnnl_f32, strides) == dnnl_success;
}

bool cy_dnnl_describe_tag(cy_dnnl_desc *desc, int rank, const dnnl_dims_t dims, dnnl_format_tag_t tag) {
  return dnnl_memory_desc_init_by_tag(desc, rank, dims, dnnl_f32, tag) == dnnl_success;
}

void cy_dnnl_forget(cy_dnnl_desc *desc) { *desc = (cy_dnnl_desc){0}; }

cy_dnnl_md cy_dnnl_look(const cy_dnnl_desc *desc) { return desc; }
#endif

/* ---- the same in both ---- */

cy_dnnl_md cy_dnnl_query(const_dnnl_primitive_desc_t primitive, dnnl_query_t what) {
  return dnnl_primitive_desc_query_md(primitive, what, 0);
}

size_t cy_dnnl_scratch_bytes(const_dnnl_primitive_desc_t primitive) {
  const cy_dnnl_md desc = cy_dnnl_query(primitive, dnnl_query_scratchpad_md);
  return desc ? dnnl_memory_desc_get_size(desc) : 0;
}

const char *cy_dnnl_implementation(const_dnnl_primitive_desc_t primitive) {
  const char *name = NULL;
  return dnnl_primitive_desc_query(primitive, dnnl_query_impl_info_str, 0, &name) == dnnl_success && name ? name : "";
}

dnnl_status_t cy_dnnl_memory(dnnl_memory_t *memory, cy_dnnl_md desc, dnnl_engine_t engine) {
  return dnnl_memory_create(memory, desc, engine, DNNL_MEMORY_NONE);
}

dnnl_primitive_attr_t cy_dnnl_attributes(void) {
  dnnl_primitive_attr_t attributes = NULL;
  if (dnnl_primitive_attr_create(&attributes) != dnnl_success) return NULL;
  if (dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user) == dnnl_success) return attributes;
  dnnl_primitive_attr_destroy(attributes);
  return NULL;
}

int cy_dnnl_enter_threads(int threads) {
#if defined(_OPENMP)
  const int before = omp_get_max_threads();
  if (before != threads) omp_set_num_threads(threads);
  return before;
#else
  return threads;
#endif
}

void cy_dnnl_leave_threads(int before) {
#if defined(_OPENMP)
  if (before != omp_get_max_threads()) omp_set_num_threads(before);
#else
  (void)before;
#endif
}

cy_status cy_dnnl_status(dnnl_status_t status, const char *what) {
  if (status == dnnl_success) return CY_OK;
  return status == dnnl_out_of_memory ? cy_no_memory()
                                      : cy_fail(CY_UNSUPPORTED, "%s: oneDNN failed (status %d)", what, (int)status);
}
