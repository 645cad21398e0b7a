/* Second-order training by the command: recipes, what replaces what on the command line, an autoencoder through all
 * verbs, an interrupted run, and mistakes in one line. */
#include "command.h"

static void the_recipes_train(void **state) {
  (void)state;
  static char text[COMMAND_OUTPUT];
  const char *out = succeed("train " CAUCHY_SOURCE "/recipes/digits-newton-cg.yaml --out a");
  assert_holds(out, "4 810 parameters; cross_entropy, newton-cg, each step on all 1 298 samples, 256 at once\n");
  double accuracy = 0;
  const char *test = strstr(out, "\ntest ");
  assert_non_null(test);
  assert_int_equal(sscanf(test, " test %*d %*f %lf", &accuracy), 1);
  assert_true(accuracy > 95);
  read_back("a/recipe.yaml", text);
  assert_holds(text, "  name: newton-cg\n  damping: 0.1\n  cg_iterations: 250\n  curvature_samples: 0\n"
                     "  curvature: gauss-newton\n");
  assert_holds(text, "learning_rate: 1\n");
  succeed("train a/recipe.yaml epochs=2 --quiet --out again");
  succeed("train " CAUCHY_SOURCE "/recipes/digits-autoencoder.yaml epochs=3 --quiet --out b");
}

/* The recipe's settings of newton-cg go with it. */
static void another_optimizer_forgets_foreign_settings(void **state) {
  (void)state;
  static char text[COMMAND_OUTPUT];
  succeed("train " CAUCHY_SOURCE "/recipes/digits-autoencoder.yaml optimizer=lbfgs optimizer.memory=7 epochs=2 --quiet "
          "--out l");
  read_back("l/recipe.yaml", text);
  assert_holds(text, "  name: lbfgs\n  memory: 7\n");
  assert_null(strstr(text, "damping"));
  succeed("train " CAUCHY_SOURCE "/recipes/digits-autoencoder.yaml optimizer=adam epochs=2 --quiet --out m");
  refuse("train digits optimizer=lbfgs optimizer.damping=1", "optimiser \"lbfgs\" has no damping");
}

static void an_autoencoder_goes_through_all_verbs(void **state) {
  (void)state;
  static char text[COMMAND_OUTPUT];
  succeed("train digits target=input 'model=dense(16) -> tanh -> dense(64)' loss=binary_cross_entropy optimizer=lbfgs "
          "epochs=20 --quiet --out a");
  read_back("a/recipe.yaml", text);
  assert_holds(text, "target: \"input\"\n");
  assert_holds(succeed("eval a"), "test");
  assert_holds(succeed("info a"), "output      64");
  succeed("train --resume a epochs=22 --quiet --out b");
  read_back("b/recipe.yaml", text);
  assert_holds(text, "target: \"input\"\n");
  refuse("train digits target=input augment.shift=1", "the target is the input");
}

static void mistakes_are_one_line(void **state) {
  (void)state;
  refuse("train digits optimizer=newton-gc", "\"newton-cg\"?");
  refuse("train digits optimizer=lbfgs", "dropout");
  refuse("train digits model=dense(10) optimizer=newton-cg augment.shift=1", "augmentation");
  refuse("train digits 'model=dense(64) -> tanh -> dense(10)' optimizer=newton", "newton-cg");
  refuse("train digits model=dense(10) optimizer=newton-cg optimizer.cg_iterations=2.5", "must be a whole number");
  refuse("train digits model=dense(10) optimizer=newton-cg optimizer.curvature=hesse", "optimizer.curvature is one of");
  refuse("train digits model=dense(10) optimizer=newton-cg optimizer.preconditioner=2", "optimizer.preconditioner");
  refuse("train digits model=dense(10) optimizer=newton-cg clip_norm=1", "has no clip_norm");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)

int main(void) {
  const struct CMUnitTest tests[] = {
    IN_FOLDER(the_recipes_train),
    IN_FOLDER(another_optimizer_forgets_foreign_settings),
    IN_FOLDER(an_autoencoder_goes_through_all_verbs),
    IN_FOLDER(mistakes_are_one_line),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
