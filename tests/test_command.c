/* The command as a user meets it: started as a program in a folder of its own, judged by what it prints, what it leaves
 * behind and how it exits. */
#include "command.h"

#include <cauchy.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/ioctl.h>

/* In a folder of its own, where the data are too. */
static int set_up(void **state) { return enter_folder(state) == 0 ? setenv("CAUCHY_DATA", folder, 1) : -1; }

static const char *last_line(const char *text) {
  static char line[1024];
  size_t n = strlen(text);
  while (n > 0 && text[n - 1] == '\n') n--;
  size_t start = n;
  while (start > 0 && text[start - 1] != '\n') start--;
  snprintf(line, sizeof line, "%.*s", (int)(n - start), text + start);
  return line;
}

/* ---- metrics.jsonl ---- */

/* The object of the given line (-1: the last); *lines is how many there are. Every line must be one object. */
static json_t *read_metrics(const char *folder, int wanted, int *lines) {
  char path[PATH_MAX];
  static char text[COMMAND_OUTPUT];
  json_t *found = NULL;
  snprintf(path, sizeof path, "%s/metrics.jsonl", folder);
  read_back(path, text);
  *lines = 0;
  for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), ++*lines) {
    json_error_t error;
    json_t *object = json_loads(line, 0, &error);
    if (!json_is_object(object)) fail_msg("%s line %d: %s", path, *lines + 1, error.text);
    if (wanted == *lines || wanted < 0) {
      json_decref(found);
      found = object;
    } else {
      json_decref(object);
    }
  }
  assert_non_null(found);
  return found;
}

static double test_accuracy(const char *folder) {
  int lines;
  json_t *final = read_metrics(folder, -1, &lines);
  assert_true(json_is_true(json_object_get(final, "final")));
  double accuracy = json_number_value(json_object_get(json_object_get(final, "test"), "accuracy"));
  json_decref(final);
  return accuracy;
}

/* ---- training ---- */

static void training_leaves_a_run_folder(void **state) {
  (void)state;
  static const char *const files[] = {"model.safetensors", "checkpoint.safetensors", "recipe.yaml", "metrics.jsonl",
                                      "curves.png", "curves.svg", "confusion.png", "confusion.svg"};
  int lines;
  const outcome *o = &last;
  succeed("train digits epochs=3");
  assert_non_null(strstr(last_line(o->out), "runs/digits-1"));
  assert_non_null(strstr(o->out, "epoch 3/3"));
  assert_null(strstr(o->out, "\033")); /* not a terminal */
  assert_null(strstr(o->out, "\r"));
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "runs/digits-1/%s", files[i]);
    if (!exists(path)) fail_msg("%s is missing", path);
  }
  static char bytes[COMMAND_OUTPUT];
  read_back("runs/digits-1/curves.png", bytes);
  assert_memory_equal(bytes, "\x89PNG\r\n\x1a\n", 8);
  json_t *first = read_metrics("runs/digits-1", 0, &lines);
  assert_int_equal(lines, 4);
  assert_int_equal(json_integer_value(json_object_get(first, "epoch")), 1);
  assert_true(json_is_real(json_object_get(first, "loss")));
  assert_true(json_is_real(json_object_get(first, "validation_accuracy")));
  json_decref(first);
  assert_string_equal(last_line(succeed("train digits epochs=1 --quiet")), "runs/digits-2");
  assert_string_equal(last_line(succeed("train digits epochs=1 --quiet --out other/place")), "other/place");
}

static void digits_reach_97_percent_and_eval_and_predict_agree(void **state) {
  (void)state;
  succeed("train digits --quiet");
  double accuracy = test_accuracy("runs/digits-1");
  if (accuracy < 0.97) fail_msg("test accuracy %g", accuracy);
  json_error_t error;
  json_t *eval = json_loads(succeed("eval runs/digits-1 --json"), 0, &error);
  assert_non_null(eval);
  assert_float_equal(json_number_value(json_object_get(eval, "accuracy")), accuracy, 1e-9);
  assert_string_equal(json_string_value(json_object_get(eval, "part")), "test");
  assert_int_equal(json_array_size(json_object_get(eval, "classes")), 10);
  json_decref(eval);
  assert_non_null(strstr(succeed("eval runs/digits-1/model.safetensors digits"), "precision"));

  /* The test part once more, as a file of raw numbers. */
  cy_dataset *digits;
  cy_tensor *x;
  assert_int_equal(cy_dataset_open("digits", (cy_dataset_options){0}, &digits), CY_OK);
  int64_t n = cy_dataset_test_count(digits), first = cy_dataset_count(digits) - n, right = 0;
  assert_int_equal(cy_tensor_create(CY_U8, CY_SHAPE(n, 64), &x), CY_OK);
  for (int64_t i = 0; i < n * 64; i++) cy_tensor_set(x, i, cy_tensor_at(cy_dataset_inputs(digits), first * 64 + i));
  assert_int_equal(cy_npy_save(x, "test.npy"), CY_OK);
  succeed("predict runs/digits-1 test.npy --json --out answers.jsonl");
  static char text[COMMAND_OUTPUT];
  read_back("answers.jsonl", text);
  int64_t row = 0;
  for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), row++) {
    json_t *object = json_loads(line, 0, &error);
    assert_non_null(object);
    const char *class = json_string_value(json_object_get(object, "class"));
    right += strcmp(class, cy_dataset_class_name(digits, cy_dataset_label(digits, first + row))) == 0;
    json_decref(object);
  }
  assert_int_equal(row, n);
  assert_float_equal((double)right / (double)n, accuracy, 1e-9);
  cy_tensor_free(x);
  cy_dataset_free(digits);
  assert_int_equal(run("eval runs/digits-1 --at-least 1.0")->exit_code, 1);
  assert_int_equal(run("eval runs/digits-1 --at-least 0.9")->exit_code, 0);
}

static void predictions_of_tables(void **state) {
  (void)state;
  succeed("train iris --quiet");
  write_file("named.csv", "petal width (cm),petal length (cm),sepal width (cm),sepal length (cm),note\n"
                          "0.2,1.4,3.5,5.1,1\n2.5,6.0,3.3,6.3,2\n");
  write_file("plain.csv", "5.1,3.5,1.4,0.2\n6.3,3.3,6.0,2.5\n");
  write_file("labelled.csv", "5.1,3.5,1.4,0.2,setosa\n6.3,3.3,6.0,2.5,virginica\n");
  static char expected[COMMAND_OUTPUT];
  strcpy(expected, succeed("predict runs/iris-1 plain.csv"));
  assert_non_null(strstr(expected, "1  setosa"));
  assert_non_null(strstr(expected, "2  virginica"));
  assert_string_equal(succeed("predict runs/iris-1 named.csv"), expected);
  assert_string_equal(succeed("predict runs/iris-1 labelled.csv"), expected);
  write_file("described.csv", "who,petal width (cm),petal length (cm),sepal width (cm),sepal length (cm)\n"
                              "Ann,0.2,1.4,3.5,5.1\n,2.5,6.0,3.3,6.3\n");
  assert_string_equal(succeed("predict runs/iris-1 described.csv"), expected);
  write_file("other.csv", "who,petal width (cm)\nAnn,0.2\n");
  assert_non_null(strstr(run("predict runs/iris-1 other.csv")->err, "other.csv: has no column \"sepal length (cm)\""));
  write_file("nothing.csv", "");
  assert_non_null(strstr(run_with_input("predict runs/iris-1 -", "nothing.csv")->err, "standard input: holds no rows"));
  assert_string_equal(run_with_input("predict runs/iris-1 -", "plain.csv")->out, expected);
  succeed("predict runs/iris-1 plain.csv --out answers.csv");
  static char text[COMMAND_OUTPUT];
  read_back("answers.csv", text);
  assert_memory_equal(text, "row,class,probability,setosa,versicolor,virginica\n1,setosa,0.", 61);
}

static void regression_from_a_table(void **state) {
  (void)state;
  FILE *file = fopen("line.csv", "w");
  fprintf(file, "x,y\n");
  for (int i = 0; i < 200; i++) fprintf(file, "%g,%g\n", i * 0.01, 3 * i * 0.01 - 1);
  fclose(file);
  const outcome *o = &last;
  succeed("train line.csv task=regress learning_rate=0.01 name=line");
  assert_non_null(strstr(last_line(o->out), "runs/line-1"));
  assert_null(strstr(o->out, "accuracy"));
  assert_true(exists("runs/line-1/curves.png"));
  assert_false(exists("runs/line-1/confusion.png"));
  write_file("x.csv", "x\n1\n");
  double value = 0;
  assert_int_equal(sscanf(succeed("predict runs/line-1 x.csv"), "%*s %*s %*d %lf", &value), 1);
  assert_float_equal(value, 2, 0.2);
  write_file("alone.csv", "x,kind\n1,fig\n2,fig\n");
  assert_non_null(strstr(run("train alone.csv")->err, "every kind is fig: there is nothing to tell apart"));
  assert_non_null(strstr(succeed("eval runs/line-1"), "test"));
}

static void recipe_files_are_the_builtin_recipes(void **state) {
  (void)state;
  static const char *const names[] = {"digits", "iris"};
  for (size_t i = 0; i < 2; i++) {
    char line[PATH_MAX + 64];
    static char a[COMMAND_OUTPUT], b[COMMAND_OUTPUT];
    snprintf(line, sizeof line, "train " CAUCHY_SOURCE "/recipes/%s.yaml epochs=1 --quiet --out a%zu", names[i], i);
    succeed(line);
    snprintf(line, sizeof line, "train %s epochs=1 --quiet --out b%zu", names[i], i);
    succeed(line);
    snprintf(line, sizeof line, "a%zu/recipe.yaml", i);
    read_back(line, a);
    line[0] = 'b';
    read_back(line, b);
    assert_string_equal(a, b);
    snprintf(line, sizeof line, "train a%zu/recipe.yaml --quiet --out c%zu", i, i); /* what was resolved reads back */
    succeed(line);
    snprintf(line, sizeof line, "c%zu/recipe.yaml", i);
    read_back(line, b);
    assert_string_equal(a, b);
  }
}

static void recipe_keys_reach_the_training(void **state) {
  (void)state;
  static char text[COMMAND_OUTPUT];
  write_file("net.txt", "dense(8) -> tanh\n-> dense(3)  # three species\n");
  mkdir("sub", 0777);
  write_file("sub/r.yaml", "data: iris\nmodel: {file: ../net.txt}\noptimizer: {name: rmsprop, momentum: 0.5}\n"
                           "schedule:\n  kind: step\n  every: 2\n  factor: 0.5\nepochs: 4\nvalidation: 0\nl2: 1e-3\n"
                           "clip_norm: 1\nbatch: ~\nseed: 7\n");
  succeed("train sub/r.yaml --quiet --out r l1=0.25 learning_rate=0.004");
  read_back("r/recipe.yaml", text);
  static const char *const expected[] = {"name: rmsprop\n",
                                         "momentum: 0.5\n",
                                         "kind: step\n",
                                         "every: 2\n",
                                         "validation: 0\n",
                                         "l2: 0.001\n",
                                         "l1: 0.25\n",
                                         "clip_norm: 1\n",
                                         "batch: 32\n",
                                         "seed: 7\n",
                                         "model: |\n  dense(8) -> tanh\n",
                                         "beta1"};
  for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
    if (!!strstr(text, expected[i]) != (strcmp(expected[i], "beta1") != 0)) fail_msg("%s in:\n%s", expected[i], text);
  int lines;
  json_t *epoch = read_metrics("r", 3, &lines);
  assert_float_equal(json_number_value(json_object_get(epoch, "learning_rate")), 0.002, 1e-12);
  assert_null(json_object_get(epoch, "validation_loss"));
  json_decref(epoch);
}

/* ---- interruption ---- */

/* Starts a training whose output nobody reads: after 4096 bytes it waits, in the middle of its epochs. */
static pid_t start_stuck(const char *line, int *output) {
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) > 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    redirect("stderr.txt", O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
    become_command(line);
  }
  close(ends[1]);
  *output = ends[0];
  char byte;
  for (int seen = 0; seen < 400; seen++) assert_int_equal(read(*output, &byte, 1), 1); /* it is training */
  return child;
}

static void drain(int fd) {
  char block[4096];
  while (read(fd, block, sizeof block) > 0) continue;
  close(fd);
}

static void expect_equal_tensors(const char *a, const char *b) {
  cy_safetensors *x, *y;
  assert_int_equal(cy_safetensors_open(a, &x), CY_OK);
  assert_int_equal(cy_safetensors_open(b, &y), CY_OK);
  assert_int_equal(cy_safetensors_count(x), cy_safetensors_count(y));
  for (int i = 0; i < cy_safetensors_count(x); i++) {
    cy_tensor *p, *q;
    const char *name = cy_safetensors_name(x, i);
    assert_int_equal(cy_safetensors_load(x, name, &p), CY_OK);
    assert_int_equal(cy_safetensors_load(y, name, &q), CY_OK);
    assert_int_equal(cy_tensor_bytes(p), cy_tensor_bytes(q));
    if (memcmp(cy_tensor_data(p), cy_tensor_data(q), cy_tensor_bytes(p)) != 0) fail_msg("%s differs", name);
    cy_tensor_free(p);
    cy_tensor_free(q);
  }
  cy_safetensors_close(x);
  cy_safetensors_close(y);
}

/* Two trainings would replace each other's checkpoints. */
static void a_folder_has_one_training(void **state) {
  (void)state;
  succeed("train iris epochs=1 --quiet --out a");
  int folder = open("a", O_RDONLY | O_DIRECTORY);
  assert_true(folder >= 0);
  assert_int_equal(flock(folder, LOCK_EX), 0);
  assert_string_equal(run("train --resume a epochs=2")->err, "cauchy: a: another training is writing there\n");
  assert_int_equal(last.exit_code, 2);
  succeed("train --resume a epochs=2 --quiet --out b"); /* reads only */
  assert_int_equal(close(folder), 0);
  succeed("train --resume a epochs=2 --quiet");
}

static void a_resumed_run_has_its_baseline(void **state) {
  (void)state;
#define BASELINE "train digits 'model=dense(8) -> relu -> dense(10)' 'baseline=dense(10)' baseline.learning_rate=0.03 seed=4 "
  succeed(BASELINE "epochs=3 --out unbroken --quiet");
  succeed(BASELINE "epochs=1 --out broken --quiet");
  assert_non_null(strstr(succeed("train --resume broken epochs=3 --out continued"), "\nbaseline "));
  assert_non_null(strstr(succeed("train --resume broken epochs=3"), "\nbaseline "));
#undef BASELINE
  static const char *const folders[] = {"unbroken", "broken", "continued"};
  static char text[COMMAND_OUTPUT];
  char expected[512] = "", path[64];
  for (int i = 0; i < 3; i++) {
    snprintf(path, sizeof path, "%s/metrics.jsonl", folders[i]);
    read_back(path, text);
    const char *found = strstr(text, "\"baseline\":");
    assert_non_null(found);
    const char *end = strchr(found, '}');
    assert_non_null(end);
    if (i == 0) snprintf(expected, sizeof expected, "%.*s", (int)(end - found), found);
    assert_memory_equal(found, expected, strlen(expected));
  }
}

static void an_interrupted_run_resumes_to_the_same_bits(void **state) {
  (void)state;
  int output, lines;
  succeed("train digits epochs=150 --quiet --threads 1 --out whole");
  pid_t child = start_stuck("train digits epochs=150 --threads 1 --out parts", &output);
  assert_int_equal(kill(child, SIGINT), 0);
  drain(output);
  assert_int_equal(exit_code_of(child), 130);
  read_back("stderr.txt", last.err);
  assert_non_null(strstr(last.err, "cauchy train --resume parts"));
  assert_true(exists("parts/checkpoint.safetensors"));
  assert_false(exists("parts/model.safetensors"));
  json_t *epoch = read_metrics("parts", -1, &lines);
  assert_true(lines < 150);
  json_decref(epoch);
  assert_non_null(strstr(last_line(succeed("train --resume parts")), "parts"));
  expect_equal_tensors("whole/model.safetensors", "parts/model.safetensors");
  assert_float_equal(test_accuracy("whole"), test_accuracy("parts"), 0);
  json_decref(read_metrics("parts", -1, &lines));
  assert_int_equal(lines, 151);
  assert_non_null(strstr(run("train --resume parts")->err, "nothing is left to train"));
  assert_int_equal(last.exit_code, 2);
  assert_string_equal(last_line(succeed("train --resume parts epochs=152 --quiet")), "parts");
  succeed("train --resume parts epochs=153 --quiet --out more");
  read_back("more/recipe.yaml", last.out);
  assert_non_null(strstr(last.out, "data: \"digits\"\n"));
  assert_non_null(strstr(last.out, "epochs: 153\n"));
}

static void a_second_interruption_ends_at_once(void **state) {
  (void)state;
  int output;
  pid_t child = start_stuck("train digits epochs=100000 --out endless", &output);
  kill(child, SIGINT);
  usleep(50000);
  kill(child, SIGTERM);
  usleep(50000);
  drain(output);
  assert_int_equal(exit_code_of(child), 130);
}

/* ---- a terminal ---- */

/* Runs the command in a pseudo-terminal of so many columns; what it drew is in last.out. */
static void run_in_terminal(const char *line, unsigned short columns) {
  int terminal = posix_openpt(O_RDWR | O_NOCTTY);
  assert_true(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
  struct winsize size = {.ws_row = 24, .ws_col = columns};
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    setsid();
    redirect(ptsname(terminal), O_RDWR, STDOUT_FILENO);
    ioctl(STDOUT_FILENO, TIOCSWINSZ, &size);
    close(terminal);
    become_command(line);
  }
  size_t n = 0;
  for (ssize_t got; n < COMMAND_OUTPUT - 1 && (got = read(terminal, last.out + n, COMMAND_OUTPUT - 1 - n)) > 0;)
    n += (size_t)got;
  last.out[n] = 0;
  close(terminal);
  last.exit_code = exit_code_of(child);
}

static void a_terminal_gets_one_live_line(void **state) {
  (void)state;
  setenv("TERM", "xterm", 1);
  unsetenv("NO_COLOR");
  run_in_terminal("train digits epochs=2 --out a", 70);
  assert_int_equal(last.exit_code, 0);
  assert_non_null(strstr(last.out, "\repoch 1/2"));
  assert_non_null(strstr(last.out, "\033[1m"));
  for (char *line = strtok(last.out, "\r\n"); line; line = strtok(NULL, "\r\n")) {
    if (strncmp(line, "epoch 1/2", 9) != 0) continue;
    int columns = 0;
    for (const char *c = line; *c; c++) {
      if (*c == '\033') c += strcspn(c, "mK");
      else columns += ((unsigned char)*c & 0xC0) != 0x80;
    }
    if (columns >= 70) fail_msg("%d columns: %s", columns, line);
  }
  setenv("NO_COLOR", "1", 1);
  run_in_terminal("train digits epochs=2 --out b", 70);
  assert_non_null(strstr(last.out, "\repoch 1/2"));
  assert_null(strstr(last.out, "\033[1m"));
  assert_null(strstr(last.out, "\033[0m"));
  unsetenv("NO_COLOR");
}

/* ---- looking ---- */

static void looking_at_models_and_data(void **state) {
  (void)state;
  succeed("train digits epochs=1 --quiet --out m");
  const outcome *o = &last;
  succeed("info m");
  assert_non_null(strstr(o->out, "dense1.weight"));
  assert_non_null(strstr(o->out, "64x128"));
  assert_non_null(strstr(o->out, "9 610"));
  cy_tensor *t;
  assert_int_equal(cy_tensor_create(CY_F64, CY_SHAPE(2, 3), &t), CY_OK);
  assert_int_equal(cy_safetensors_save((const char *const[]){"a"}, (const cy_tensor *const[]){t}, 1,
                                       &(cy_metadata){"author", "someone"}, 1, "any.safetensors"), CY_OK);
  cy_tensor_free(t);
  succeed("info any.safetensors");
  assert_non_null(strstr(o->out, "2x3"));
  assert_non_null(strstr(o->out, "someone"));
  json_error_t error;
  json_t *json = json_loads(succeed("info m --json"), 0, &error);
  assert_non_null(json);
  json_decref(json);
  succeed("data list");
  assert_non_null(strstr(o->out, "digits"));
  assert_non_null(strstr(o->out, "built in"));
  assert_non_null(strstr(o->out, "to fetch"));
  assert_non_null(strstr(succeed("data info iris"), "versicolor (50)"));
  assert_non_null(strstr(succeed("data info mnist"), "not on this machine"));
  assert_non_null(strstr(succeed("layers"), "dropout"));
  assert_non_null(strstr(succeed("help layers"), "dropout"));
  assert_non_null(strstr(succeed("help recipe"), "schedule.warmup"));
  const char *version = succeed("version");
  assert_non_null(strstr(version, "cauchy "));
  const char *const parts[] = {"oneDNN", "SLEEF", "libyaml", "cairo", "libcurl", "nettle", "libzip", "libpng", "libjpeg"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) assert_non_null(strstr(version, parts[i])); /* with or without */
  assert_non_null(strstr(succeed("--version"), "libjpeg"));
  assert_non_null(strstr(succeed("--help"), "predict"));
}

static void every_verb_has_help_with_examples(void **state) {
  (void)state;
  static const char *const verbs[] = {"train", "eval", "predict", "data", "info", "layers", "help"};
  for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
    char line[64], example[64];
    static char text[COMMAND_OUTPUT];
    snprintf(line, sizeof line, "%s --help", verbs[i]);
    snprintf(example, sizeof example, "Examples:\n  cauchy %s", verbs[i]);
    strcpy(text, succeed(line));
    if (strcmp(verbs[i], "predict") != 0) assert_non_null(strstr(text, "Examples:\n"));
    if (!strstr(text, example)) fail_msg("cauchy %s: no example", line);
  }
}

/* ---- mistakes ---- */

static void make_bad_files(void) {
  static char bytes[COMMAND_OUTPUT];
  succeed("train digits epochs=1 --quiet --out m");
  FILE *from = fopen("m/model.safetensors", "rb"), *to = fopen("cut.safetensors", "wb");
  size_t n = fread(bytes, 1, sizeof bytes, from);
  assert_true(n > 1000);
  fwrite(bytes, 1, n / 2, to);
  fclose(from);
  fclose(to);
  write_file("unknown.yaml", "data: digits\n# a comment\nepoch: 3\n");
  write_file("group.yaml", "data: digits\noptimizer:\n  name: adam\n  beta: 0.9\n");
  write_file("type.yaml", "data: digits\nepochs: many\n");
  write_file("fraction.yaml", "data: digits\nepochs: 3.5\n");
  write_file("list.yaml", "data: digits\nepochs: [1, 2]\n");
  write_file("twice.yaml", "data: digits\nepochs: 1\nepochs: 2\n");
  write_file("broken.yaml", "data: digits\n  model: [\n");
  write_file("items.yaml", "- data\n- digits\n");
  write_file("empty.yaml", "");
  write_file("nodata.yaml", "epochs: 3\n");
  write_file("three.csv", "1,2,3\n4,5,6\n");
  write_file("text.csv", "a,b,c,d\n1,2,x,4\n");
  write_file("nan.csv", "a,b,label\n1,2,0\n1,nan,1\n");
  cy_tensor *x, *y;
  assert_int_equal(cy_tensor_create(CY_U8, CY_SHAPE(4, 5, 5), &x), CY_OK);
  assert_int_equal(cy_tensor_create(CY_U8, CY_SHAPE(3), &y), CY_OK);
  assert_int_equal(cy_idx_save(x, "t-images-idx3-ubyte"), CY_OK);
  assert_int_equal(cy_idx_save(y, "t-labels-idx1-ubyte"), CY_OK);
  cy_tensor_free(x);
  cy_tensor_free(y);
  cy_tensor *targets;
  assert_int_equal(cy_tensor_create(CY_F32, CY_SHAPE(4, 2), &x), CY_OK);
  assert_int_equal(cy_tensor_create(CY_I64, CY_SHAPE(4), &targets), CY_OK);
  cy_tensor_set(targets, 2, -1);
  if (cy_npz_save((const char *const[]){"x", "y"}, (const cy_tensor *const[]){x, targets}, 2, false, "label.npz") !=
      CY_OK)
    write_file("label.npz", "no libzip");
  cy_tensor_free(x);
  cy_tensor_free(targets);
}

static const struct {
  const char *line, *expected;
} mistakes[] = {
    {"trian digits", "did you mean \"train\"?"},
    {"frobnicate", "no verb \"frobnicate\"; see cauchy help"},
    {"train digits --ot x", "did you mean \"--out\"?"},
    {"train digits --out", "--out needs a value"},
    {"train digits --threads two", "--threads takes a whole number"},
    {"train", "such as: cauchy train digits"},
    {"train dogits", "did you mean \"digits\"?"},
    {"train none.yaml", "none.yaml"},
    {"train none.csv", "none.csv: there is no such file"},
    {"train digits epoch=3", "epoch=3: unknown key \"epoch\"; did you mean \"epochs\"?"},
    {"train digits epochs=many", "epochs is a whole number, not \"many\""},
    {"train digits epochs=0", "epochs is 0; it must be >= 1"},
    {"train digits validation=1", "validation is 1; it must be >= 0 and < 1"},
    {"train digits learning_rate=nan", "learning_rate is a number, not \"nan\""},
    {"train digits learning_rate=0x1", "learning_rate is a number"},
    {"train digits optimizer=adm", "did you mean \"adam\"?"},
    {"train digits optimizer.momentum=0.9", "momentum"},
    {"train digits loss=mse2", "did you mean \"mse\"?"},
    {"train digits schedule=step", "every"},
    {"train digits epochs", "not of the form key=value"},
    {"train data=digit", "did you mean \"digits\"?"},
    {"train mnist", "cauchy data get mnist"},
    {"train unknown.yaml", "unknown.yaml:3: unknown key \"epoch\"; did you mean \"epochs\"?"},
    {"train group.yaml", "group.yaml:4: unknown key \"optimizer.beta\"; did you mean \"optimizer.beta"},
    {"train type.yaml", "type.yaml:2: epochs is a whole number, not \"many\""},
    {"train fraction.yaml", "fraction.yaml:2: epochs is a whole number, not \"3.5\""},
    {"train list.yaml", "list.yaml:2: epochs takes one value, not a list"},
    {"train twice.yaml", "twice.yaml:3: epochs was given before, in line 2"},
    {"train broken.yaml", "broken.yaml:2: not YAML"},
    {"train items.yaml", "items.yaml:1: a recipe is lines of the form key: value"},
    {"train empty.yaml", "empty.yaml: the recipe is empty"},
    {"train nodata.yaml", "nodata.yaml: no data set is given"},
    {"train digits 'model=dense(10'", "model:1:"},
    {"train digits 'model=dens(10)'", "did you mean \"dense\"?"},
    {"train digits 'model=dense(7)'", "7"},
    {"train digits model.file=none.txt", "none.txt"},
    {"train nan.csv", "nan.csv"},
    {"train t-images-idx3-ubyte", "4 images"},
    {"train label.npz", "label"},
    {"train digits --out m", "m is not empty"},
    {"train digits --out /dev/null/x", "/dev/null"},
    {"train digits name=a/b", "a/b"},
    {"train --resume none", "none: there is no such file"},
    {"train --resume m/model.safetensors epochs=9", "m/model.safetensors is no checkpoint"},
    {"train --resume m batch=64", "batch is fixed by the checkpoint"},
    {"eval none", "none: there is no such file"},
    {"eval cut.safetensors", "cut.safetensors"},
    {"eval unknown.yaml", "unknown.yaml"},
    {"eval m iris", "iris"},
    {"eval m --part tset", "did you mean \"test\"?"},
    {"eval m --at-least 97", "--at-least takes an accuracy from 0 to 1"},
    {"eval", "usage: cauchy eval MODEL [DATA]"},
    {"eval a b c", "\"c\" is one word too many"},
    {"predict m three.csv", "3 columns, but the model takes 64"},
    {"predict m t-images-idx3-ubyte", "samples of 1x8x8"},
    {"predict m text.csv", "text.csv"},
    {"predict m none.csv", "none.csv"},
    {"predict m .", "(height x width), but the model takes 8x8"}, /* a chart in m */
    {"predict m runs-none", "runs-none"},
    {"predict m three.csv --out x.txt", "must end in .csv, .jsonl or .npy"},
    {"predict cut.safetensors three.csv", "cut.safetensors"},
    {"info cut.safetensors", "cut.safetensors"},
    {"info none", "none"},
    {"data", "usage: cauchy data"},
    {"data lst", "did you mean \"list\"?"},
    {"data get", "usage: cauchy data get NAME"},
    {"data get minst", "did you mean \"mnist\"?"},
    {"data get mnist --url http://127.0.0.1:9/none --quiet", "127.0.0.1"},
    {"layers dens", "dens"},
    {"help trian", "did you mean \"train\"?"},
};

static int line_count(const char *text) {
  int n = 0;
  for (; *text; text++) n += *text == '\n';
  return n;
}

static void mistakes_are_one_clear_line_and_exit_2(void **state) {
  int wrong = 0;
  (void)state;
  make_bad_files();
  for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
    const outcome *o = run(mistakes[i].line);
    int lines = line_count(o->err);
    bool caret = strstr(o->err, "^\n") != NULL; /* the architecture language shows the place in two more lines */
    bool fine = o->exit_code == 2 && strncmp(o->err, "cauchy: ", 8) == 0 && strstr(o->err, mistakes[i].expected) &&
                lines == (caret ? 3 : 1) && o->out[0] == 0;
    if (fine) continue;
    print_error("cauchy %s: exit %d\n  expected: %s\n  stderr: %s  stdout: %.300s\n", mistakes[i].line, o->exit_code,
                mistakes[i].expected, o->err, o->out);
    wrong++;
  }
  assert_int_equal(wrong, 0);
  assert_false(exists("runs")); /* nothing was begun */
}

static void a_full_disk_is_reported(void **state) {
  (void)state;
  if (!exists("/dev/full")) skip();
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    redirect("/dev/full", O_WRONLY, STDOUT_FILENO);
    redirect("stderr.txt", O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
    become_command("help recipe");
  }
  assert_int_equal(exit_code_of(child), 2);
  read_back("stderr.txt", last.err);
  assert_non_null(strstr(last.err, "standard output"));
}

static void a_diverging_loss_stops_with_the_first_bad_value(void **state) {
  (void)state;
  const outcome *o = run("train digits optimizer=sgd learning_rate=1e30 --out wild");
  assert_int_equal(o->exit_code, 1);
  assert_int_equal(line_count(o->err), 1);
  assert_non_null(strstr(o->err, "wild/checkpoint.safetensors"));
  assert_true(exists("wild/checkpoint.safetensors"));
}

/* ---- MNIST, where it is ---- */

static void mnist_in_one_epoch(void **state) {
  char line[2 * PATH_MAX];
  (void)state;
  snprintf(line, sizeof line, "train " CAUCHY_SOURCE "/recipes/mnist-mlp.yaml epochs=1 --quiet --out m data=%s",
           shared("mnist"));
  succeed(line);
  assert_true(test_accuracy("m") > 0.95);
  snprintf(line, sizeof line, "predict m %s/t10k-images-idx3-ubyte.gz --out p.npy", shared("mnist"));
  succeed(line);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(training_leaves_a_run_folder, set_up, leave_folder),
      cmocka_unit_test_setup_teardown(digits_reach_97_percent_and_eval_and_predict_agree, set_up, leave_folder),
      cmocka_unit_test_setup_teardown(predictions_of_tables, set_up, leave_folder),
      cmocka_unit_test_setup_teardown(regression_from_a_table, set_up, leave_folder),
      cmocka_unit_test_setup_teardown(recipe_files_are_the_builtin_recipes, set_up, leave_folder),
      cmocka_unit_test_setup_teardown(recipe_keys_reach_the_training, set_up, leave_folder),
      cmocka_unit_test_setup_teardown(an_interrupted_run_resumes_to_the_same_bits, set_up, leave_folder),
      cmocka_unit_test_setup_teardown(a_resumed_run_has_its_baseline, set_up, leave_folder),
      cmocka_unit_test_setup_teardown(a_folder_has_one_training, set_up, leave_folder),
      cmocka_unit_test_setup_teardown(a_second_interruption_ends_at_once, set_up, leave_folder),
      cmocka_unit_test_setup_teardown(a_terminal_gets_one_live_line, set_up, leave_folder),
      cmocka_unit_test_setup_teardown(looking_at_models_and_data, set_up, leave_folder),
      cmocka_unit_test_setup_teardown(every_verb_has_help_with_examples, set_up, leave_folder),
      cmocka_unit_test_setup_teardown(mistakes_are_one_clear_line_and_exit_2, set_up, leave_folder),
      cmocka_unit_test_setup_teardown(a_full_disk_is_reported, set_up, leave_folder),
      cmocka_unit_test_setup_teardown(a_diverging_loss_stops_with_the_first_bad_value, set_up, leave_folder),
      cmocka_unit_test_setup_teardown(mnist_in_one_epoch, set_up, leave_folder),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
