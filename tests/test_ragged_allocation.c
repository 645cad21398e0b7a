/* Sequences of different lengths when memory runs out: reading, training, saving, predicting, with every allocation failing in
 * turn; and steps allocate nothing, in whatever bucket. */
#include "folder.h"
#include "lives.h"

#include <cauchy/data.h>
#include <cauchy/train.h>

static int make_files(void **state) {
  if (enter_folder(state) || mkdir("files", 0700) || mkdir("files/x", 0700) || mkdir("files/y", 0700)) return -1;
  write_file("table.csv",
             "id,a,b,k\n1,1,2,u\n2,2,1,v\n1,3,3,u\n3,1,0,u\n4,5,2,v\n4,1,1,v\n4,2,2,v\n5,1,2,u\n6,0,1,v\n6,3,2,v\n");
  write_file("files/x/1.csv", "a\n1\n2\n");
  write_file("files/x/2.csv", "a\n3\n");
  write_file("files/y/1.csv", "a\n3\n1\n2\n");
  return 0;
}

static cy_status life_of_files(void) {
  cy_dataset *d = NULL;
  cy_split split = {0};
  cy_status status = cy_dataset_open("files", (cy_dataset_options){0}, &d);
  if (status == CY_OK) status = cy_dataset_split(d, (cy_split_options){0}, &split);
  cy_split_clear(&split);
  cy_dataset_free(d);
  d = NULL;
  if (status == CY_OK) status = cy_dataset_open("files/x", (cy_dataset_options){.sequence = "", .target = "input"}, &d);
  cy_dataset_free(d);
  return status;
}

static cy_status life_of_a_table(void) {
  cy_trainer_options options = {.epochs = 1, .batch_size = 2, .threads = 1, .validation = 0.3};
  cy_dataset *d = NULL;
  cy_model *model = NULL;
  cy_trainer *trainer = NULL;
  cy_trained *trained = NULL;
  cy_tensor *outputs = NULL, *labels = NULL;
  cy_metrics metrics = {0};
  cy_status status = cy_dataset_open("./table.csv", (cy_dataset_options){.sequence = "id", .target = "k", .buckets = 2}, &d);
  if (status == CY_OK)
    status = cy_model_parse("conv(2, 2, pad=same) -> batch_norm -> max_pool(2, pad=half) -> gru(1) -> global_avg_pool -> dense(2)",
                            "", &model);
  if (status == CY_OK) status = cy_trainer_create(model, d, options, &trainer);
  if (status == CY_OK) status = cy_trainer_run(trainer);
  if (status == CY_OK) status = cy_trainer_save(trainer, "model");
  if (status == CY_OK) status = cy_trained_load("model", 1, NULL, &trained);
  if (status == CY_OK) status = cy_trained_evaluate(trained, d, NULL, 0, &metrics);
  if (status == CY_OK) status = cy_trained_predict_sequences(trained, d, &outputs, &labels);
  cy_tensor_free(outputs);
  cy_tensor_free(labels);
  cy_metrics_clear(&metrics);
  cy_trained_free(trained);
  cy_trainer_free(trainer);
  cy_model_free(model);
  cy_dataset_free(d);
  return status;
}

static cy_status life_of_brackets(void) {
  cy_dataset *d = NULL;
  cy_status each = cy_dataset_open("./table.csv", (cy_dataset_options){.sequence = "id", .target = "k", .each_step = true}, &d);
  cy_dataset_free(d);
  if (each != CY_OK) return each;
  cy_status status = cy_dataset_open("brackets", (cy_dataset_options){.length = 4}, &d);
  cy_dataset_free(d);
  return status;
}

static void any_allocation_may_fail(void **state) {
  (void)state;
  fail_each_allocation(life_of_files, 50);
  fail_each_allocation(life_of_brackets, 10);
  fail_each_allocation(life_of_a_table, 1000);
}

static long at_first_step, at_last_step;

static bool note(const cy_progress *now, void *user) {
  (void)user;
  if (now->phase == CY_PHASE_TRAIN && now->epoch == 1 && now->step == 1) at_first_step = calls;
  if (now->phase == CY_PHASE_TRAIN && now->epoch == 1) at_last_step = calls;
  return true;
}

static void steps_allocate_nothing(void **state) {
  (void)state;
  cy_dataset *d;
  cy_model *model;
  cy_trainer *trainer;
  assert_int_equal(cy_dataset_open("brackets", (cy_dataset_options){.length = 20}, &d), CY_OK);
  assert_int_equal(cy_model_parse("gru(4, last) -> dense(2)", "test", &model), CY_OK);
  cy_trainer_options options = {.epochs = 1, .batch_size = 32, .threads = 1, .on_progress = note};
  assert_int_equal(cy_trainer_create(model, d, options, &trainer), CY_OK);
  assert_int_equal(cy_trainer_run(trainer), CY_OK);
  assert_int_equal(at_last_step, at_first_step);
  cy_trainer_free(trainer);
  cy_model_free(model);
  cy_dataset_free(d);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(any_allocation_may_fail),
      cmocka_unit_test(steps_allocate_nothing),
  };
  return cmocka_run_group_tests(tests, make_files, leave_folder);
}
