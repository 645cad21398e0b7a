/* Models of texts by the command: trained, measured in nats, bits and perplexity, writing on from a prompt; and the mistakes
 * of their users. */
#include "command.h"

#include <cauchy.h>

#define BIGRAM "'model=embedding(57, 57)' length=24 learning_rate=0.1 "

static void a_text_goes_through_the_verbs(void **state) {
  (void)state;
  static char text[COMMAND_OUTPUT];
  const char *out = succeed("train sonnets " BIGRAM "epochs=3 --out a");
  assert_holds(out, "samples of 24 in 57 classes; 275 to train, 31 to validate, 0 to test\n");
  assert_holds(out, "nats per character = ");
  read_back("a/recipe.yaml", text);
  assert_holds(text, "length: 24\n");
  out = succeed("eval a");
  assert_holds(out, "sonnets, validation\n");
  assert_holds(out, "perplexity ");
  assert_holds(out, "\nnewline ");
  out = succeed("eval a --json");
  assert_holds(out, "\"bits_per_character\":");
  assert_holds(succeed("info a"), "57");
  assert_holds(succeed("analyze a"), "embedding1  57x24");
  assert_holds(succeed("check a"), " 0 failed");
  assert_holds(succeed("hessian a --samples 8 --eigenvalues 1"), "largest");
  write_file("prompt.txt", "Shall I compare thee t");
  out = succeed("predict a prompt.txt");
  assert_holds(out, "class    probability\n       1  h "); /* after a t, most probably */
  assert_holds(succeed("predict a prompt.txt --json"), "\"class\":\"h\"");
  refuse("predict a -", "standard input is empty");
  succeed("train --resume a epochs=4 --quiet --out b");
  read_back("b/recipe.yaml", text);
  assert_holds(text, "length: 24\n");
  succeed("train a/recipe.yaml epochs=4 --quiet --out c");
  static char one[COMMAND_OUTPUT];
  strcpy(one, succeed("sample b --length 300"));
  assert_string_equal(succeed("sample c --length 300"), one); /* the same bits: the same text */
}

/* What has seen the character that it predicts can't write the next. */
static void models_that_look_ahead(void **state) {
  (void)state;
  static const struct { const char *model; bool ahead; } rows[] = {
      {"embedding(57, 8) -> gru(8, bidirectional) -> conv(57, 1)", true},
      {"embedding(57, 8) -> conv(8, 3, pad=same) -> relu -> conv(57, 1)", true},
      {"embedding(57, 8) -> attention -> conv(57, 1)", true},
      {"embedding(57, 8) -> conv(8, 3, pad=causal) -> attention(causal) -> conv(57, 1)", false},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char line[400];
    snprintf(line, sizeof line, "train sonnets 'model=%s' length=16 epochs=1 --out run%zu", rows[i].model, i);
    const char *out = succeed(line);
    if ((strstr(out, "note: the model sees the characters that it is to predict") != NULL) != rows[i].ahead)
      fail_msg("%s: %s", rows[i].model, out);
    snprintf(line, sizeof line, "sample run%zu --length 5", i);
    if (rows[i].ahead) refuse(line, "the model cannot write on: at each step it sees the characters after it");
    else succeed(line);
  }
}

/* 60 sequences of 6 whole numbers from 0 to 8, as "x" (int64) with "y": does 7 occur? */
static void write_numbers(const char *path) {
  static const char *const names[] = {"x", "y"};
  cy_tensor *x, *y;
  assert_int_equal(cy_tensor_create(CY_I64, CY_SHAPE(60, 6), &x), CY_OK);
  assert_int_equal(cy_tensor_create(CY_I64, CY_SHAPE(60), &y), CY_OK);
  for (int64_t i = 0; i < 360; i++) {
    int64_t v = (i * i * i + 5 * i * (i / 6) + i / 9) % 9;
    cy_tensor_i64(x)[i] = v;
    if (v == 7) cy_tensor_i64(y)[i / 6] = 1;
  }
  assert_int_equal(cy_npz_save(names, (const cy_tensor *[]){x, y}, 2, false, path), CY_OK);
  cy_tensor_free(x);
  cy_tensor_free(y);
}

/* What an embedding takes is not standardised, as numbers of tables are. */
static void numbers_that_stand_for_something(void **state) {
  (void)state;
  write_numbers("n.npz");
  succeed("train n.npz 'model=embedding(9, 8) -> global_max_pool -> dense(2)' learning_rate=0.05 epochs=60 --quiet --out a");
  succeed("eval a n.npz --part all --at-least 0.9");
  assert_holds(succeed("predict a n.npz"), "\n      60  ");
  refuse("train n.npz 'model=embedding(8, 4) -> global_avg_pool -> dense(2)'",
         "holds 8, but the model's embedding takes whole numbers from 0 to 7");
  refuse("train n.npz 'model=embedding(9, 4) -> global_avg_pool -> dense(2)' scale=standardise", "scale must be none");
}

static void what_would_go_wrong_is_said(void **state) {
  (void)state;
  refuse("train sonnets 'model=embedding(10, 4) -> conv(57, 1)' epochs=1",
         "the model's embedding has a vocabulary of 10, but the text \"sonnets\" has 57 characters");
  assert_holds(succeed("train iris 'model=dense(3) -> softmax' epochs=1"), "note: cross_entropy applies softmax itself");
  if (strstr(succeed("train iris 'model=dense(3) -> log_softmax' epochs=1"), "note:")) fail_msg("log_softmax changes nothing");
}

static void characters(const char *out, size_t wanted) {
  size_t n = strlen(out);
  assert_in_range(n, wanted, wanted + 1); /* the last line is ended */
  assert_int_equal(out[n - 1], '\n');
}

static void samples_are_drawn_as_asked(void **state) {
  (void)state;
  static char one[COMMAND_OUTPUT];
  succeed("train sonnets " BIGRAM "epochs=3 --quiet --out a");
  strcpy(one, succeed("sample a --prompt 'Shall I' --length 100 --seed 3"));
  characters(one, 107);
  assert_memory_equal(one, "Shall I", 7);
  assert_string_equal(succeed("sample a --prompt 'Shall I' --length 100 --seed 3"), one);
  assert_string_not_equal(succeed("sample a --prompt 'Shall I' --length 100 --seed 4"), one);
  strcpy(one, succeed("sample a --length 50 --temperature 0"));
  assert_string_equal(succeed("sample a --length 50 --temperature 0 --seed 9"), one);
  assert_string_equal(succeed("sample a --length 50 --top-k 1 --seed 9"), one);
  characters(succeed("sample a"), 500);
  assert_string_equal(succeed("sample a --prompt love --length 0"), "love\n");
}

static void streams_train(void **state) {
  (void)state;
  static char text[COMMAND_OUTPUT];
  succeed("train sonnets 'model=embedding(57, 8) -> lstm(16) -> conv(57, 1)' length=32 order=streams batch=8 epochs=2 --out s");
  read_back("s/recipe.yaml", text);
  assert_holds(text, "order: streams\n");
  assert_holds(succeed("eval s"), "sonnets, validation\n");
  characters(succeed("sample s --length 200 --temperature 0.5"), 200);
  refuse("train sonnets length=16 order=streams 'model=embedding(57, 8) -> lstm(8, bidirectional) -> conv(57, 1)'",
         "a layer that reads backwards can't go on where the last run ended");
  refuse("train sonnets target=input", "what a text predicts is its next character");
  refuse("train digits order=streams", "streams need samples that continue one another");
  refuse("train sonnets " BIGRAM "order=streams batch=1000", "1000 streams side by side need as many windows");
  refuse("train sonnets order=streams optimizer=lbfgs length=32 'model=embedding(57, 57)'", "streams carry the state");
}

static void adding_is_measured_in_its_unit(void **state) {
  (void)state;
  double loss = 0;
  const char *out = succeed("train adding length=10 scale=none 'model=flatten -> dense(1)' epochs=1 learning_rate=0.01 --out a"),
             *test = strstr(out, "\ntest ");
  assert_non_null(test);
  assert_int_equal(sscanf(test, " test %*d %*d %lf", &loss), 1);
  assert_true(loss > 0.12 && loss < 0.2); /* what is linear does not get far below 1/6 */
  assert_holds(succeed("eval a"), "test");
}

static double test_loss(const char *line) {
  double loss = -1;
  const char *test = strstr(succeed(line), "\ntest ");
  assert_non_null(test);
  assert_int_equal(sscanf(test, " test %*d %*d %lf", &loss), 1);
  return loss;
}

/* With 20 steps, so that it takes a second. */
static void a_gru_adds_and_a_sum_of_everything_does_not(void **state) {
  (void)state;
  assert_true(test_loss("train " CAUCHY_SOURCE "/recipes/adding-gru.yaml length=20 'model=gru(32, last) -> dense(1)' epochs=2 "
                        "learning_rate=0.01 --out a") < 0.01);
  assert_true(test_loss("train " CAUCHY_SOURCE "/recipes/adding-gru.yaml length=20 'model=flatten -> dense(1)' epochs=2 "
                        "--out b") > 0.1);
  succeed("train " CAUCHY_SOURCE "/recipes/adding-rnn.yaml length=6 epochs=1 --quiet --out c");
  succeed("train " CAUCHY_SOURCE "/recipes/adding-lstm.yaml length=6 epochs=1 --quiet --out d");
}

static void the_recipe_of_shakespeare_trains(void **state) {
  (void)state;
  const char *out = succeed("train " CAUCHY_SOURCE "/recipes/shakespeare.yaml data=sonnets batch=8 epochs=1 length=32 "
                            "'model=embedding(57, 64) -> gru(256) -> conv(57, 1)' --out a");
  assert_holds(out, "206 to train, 23 to validate, 0 to test");
}

static void mistakes_are_one_line(void **state) {
  (void)state;
  write_file("latin1.txt", "caf\xE9 and more of it\n");
  write_file("short.txt", "abc");
  write_file("other.txt", "Sch\xC3\xB6n ist die Welt, und das ist nicht alles.\n");
  refuse("train latin1.txt model=dense(3)", "latin1.txt: line 1 is not UTF-8 (byte E9)");
  refuse("train short.txt model=dense(3)", "has 3 characters, but a window of length 128 needs 129");
  refuse("train sonnets length=0", "length is 0; it must be >= 1");
  refuse("train sonnets " BIGRAM "scale=standardise", "characters are not numbers");
  refuse("train sonnets 'model=embedding(57, 20)'", "needs 32x57x128");
  succeed("train sonnets " BIGRAM "epochs=1 --quiet --out a");
  refuse("sample a --prompt 'Sch\xC3\xB6n'", "--prompt holds \"\xC3\xB6\", which is not among the 57 characters");
  refuse("sample a --temperature -1", "--temperature is a number from 0");
  refuse("sample a --top-k 0", "--top-k");
  refuse("predict a other.txt", "other.txt holds \"\xC3\xB6\", which is not among the 57 characters");
  refuse("eval a other.txt", "line 1 has the character \"\xC3\xB6\", which is not among the 57 that the model knows");
  succeed("train iris epochs=1 --quiet --out i");
  refuse("sample i", "was not trained on a text");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)

int main(void) {
  const struct CMUnitTest tests[] = {
    IN_FOLDER(a_text_goes_through_the_verbs),
    IN_FOLDER(samples_are_drawn_as_asked),
    IN_FOLDER(numbers_that_stand_for_something),
    IN_FOLDER(what_would_go_wrong_is_said),
    IN_FOLDER(models_that_look_ahead),
    IN_FOLDER(streams_train),
    IN_FOLDER(adding_is_measured_in_its_unit),
    IN_FOLDER(a_gru_adds_and_a_sum_of_everything_does_not),
    IN_FOLDER(the_recipe_of_shakespeare_trains),
    IN_FOLDER(mistakes_are_one_line),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
