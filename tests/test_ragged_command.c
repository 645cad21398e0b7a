/* Sequences of different lengths through the command: a table of them and folders of files, from training to prediction,
 * resuming, other verbs, mistakes in one line. */
#include "command.h"

#include <math.h>

static void add_folder(const char *path) { assert_int_equal(mkdir(path, 0700), 0); }

/* The first percentage in the row that begins with this word. */
static double accuracy_of(const char *table, const char *row) {
  char start[64];
  snprintf(start, sizeof start, "\n%s ", row);
  const char *at = strstr(table, start), *percent = at ? strstr(at, " %") : NULL;
  if (!percent) fail_msg("no row %s in: %s", row, table);
  while (percent > at && percent[-1] != ' ') percent--;
  return strtod(percent, NULL);
}

/* Trained to the same bits: the tensors, which follow a header that also says how long it took. */
static void assert_same_weights(const char *a, const char *b) {
  const char *paths[2] = {a, b};
  static char data[2][1 << 16];
  size_t size[2];
  for (int k = 0; k < 2; k++) {
    char path[128];
    uint64_t header;
    snprintf(path, sizeof path, "%s/model.safetensors", paths[k]);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(&header, sizeof header, 1, file), 1);
    assert_int_equal(fseek(file, (long)header, SEEK_CUR), 0);
    size[k] = fread(data[k], 1, sizeof data[k], file);
    fclose(file);
  }
  assert_true(size[0] > 1000 && size[0] < sizeof data[0]);
  assert_int_equal(size[0], size[1]);
  assert_memory_equal(data[0], data[1], size[0]);
}

/* Waves of different lengths, a fast and a slow kind. */
static double wave(int i, int t, int channel) {
  return (channel ? 100 + 20 * cos(0.4 * t + i) : 3 * sin((i % 2 ? 1.9 : 0.7) * t + i)) + 0.1 * ((7 * i + 3 * t) % 11);
}
static int length_of(int i) { return 4 + i * i % 23; }

enum { WAVES = 120 };

static void write_table(const char *path, int first, int n, bool labelled) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  fprintf(file, "wave,note,a,b%s\n", labelled ? ",kind" : "");
  for (int i = first; i < first + n; i++)
    for (int t = 0; t < length_of(i); t++)
      fprintf(file, "w%d,n,%.6f,%.6f%s\n", i, wave(i, t, 0), wave(i, t, 1), !labelled ? "" : i % 2 ? ",fast" : ",slow");
  assert_int_equal(fclose(file), 0);
}

static const char *const model = "'model=conv(8, 3, pad=same) -> relu -> max_pool(2, pad=half) -> gru(8, last) -> dense(2)'";

static void a_table_from_training_to_prediction(void **state) {
  (void)state;
  char line[512];
  write_table("waves.csv", 0, WAVES, true);
  write_table("new.csv", 200, 3, false);
  const char *text = succeed("data info waves.csv --sequence wave --ignore note");
  assert_holds(text, "120 sequences of 2 channels and 4 to 22 steps");
  assert_holds(text, "channels a, b");
  assert_holds(text, "batches  120 sequences of 4 to 22 steps, half of them at most ");
  snprintf(line, sizeof line, "train waves.csv sequence=wave ignore=note epochs=30 learning_rate=0.01 batch=8 %s --out run", model);
  text = succeed(line);
  assert_holds(text, "waves: sequences of 2 channels and 4 to 22 steps in 2 classes, target kind");
  assert_true(accuracy_of(text, "test") > 95);
  text = succeed("eval run");
  assert_true(accuracy_of(text, "test") > 95);
  assert_true(accuracy_of(succeed("eval run waves.csv --part all"), "all") > 95);
  text = succeed("predict run new.csv");
  assert_holds(text, "sequence  class");
  assert_holds(text, "w200      slow");
  assert_holds(text, "w201      fast");
  succeed("predict run new.csv --out answers.csv");
  succeed("predict run waves.csv --out all.npy"); /* what is not needed is not looked at */
  succeed("train run/recipe.yaml --quiet --out again");
  assert_same_weights("run", "again");
}

static void resuming_gives_the_same_bits(void **state) {
  (void)state;
  char line[512];
  snprintf(line, sizeof line, "train waves.csv sequence=wave ignore=note epochs=2 batch=8 buckets=3 augment.jitter=0.1 %s --quiet "
           "--out first", model);
  succeed(line);
  succeed("train --resume first epochs=4 --out second --quiet");
  snprintf(line, sizeof line, "train waves.csv sequence=wave ignore=note epochs=4 batch=8 buckets=3 augment.jitter=0.1 %s --quiet "
           "--out whole", model);
  succeed(line);
  assert_same_weights("second", "whole");
  succeed("train second/recipe.yaml --quiet --out third"); /* the resumed run's own recipe */
  assert_same_weights("third", "whole");
}

static void folders_of_files(void **state) {
  (void)state;
  static const char *const parts[] = {"train", "test"}, *const kinds[] = {"slow", "fast"};
  char path[128], line[512];
  add_folder("waves");
  for (int p = 0; p < 2; p++) {
    snprintf(path, sizeof path, "waves/%s", parts[p]);
    add_folder(path);
    for (int k = 0; k < 2; k++) {
      snprintf(path, sizeof path, "waves/%s/%s", parts[p], kinds[k]);
      add_folder(path);
    }
  }
  for (int i = 0; i < WAVES; i++) {
    snprintf(path, sizeof path, "waves/%s/%s/%d.csv", parts[i % 5 == 0], kinds[i % 2], i);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fprintf(file, "a,b\n");
    for (int t = 0; t < length_of(i); t++) fprintf(file, "%.6f,%.6f\n", wave(i, t, 0), wave(i, t, 1));
    fclose(file);
  }
  assert_holds(succeed("data info waves"), "of which the last 24 are the test part");
  snprintf(line, sizeof line, "train waves epochs=30 learning_rate=0.01 batch=8 %s --out files", model);
  assert_true(accuracy_of(succeed(line), "test") > 95);
  const char *text = succeed("predict files waves/test/slow");
  assert_holds(text, "file     class");
  assert_holds(text, "10.csv   slow");
  assert_holds(succeed("predict files waves/test/slow/10.csv --json"), "\"file\":\"waves/test/slow/10.csv\",\"class\":\"slow\"");
  assert_holds(succeed("predict files waves"), "test/fast/105.csv   fast");
  write_file("waves/test/slow/500.csv", "b,a\n1,x\n");
  refuse("predict files waves/test/slow", "500.csv: line 2, column 2 (a): \"x\" is not a number");
  refuse("eval files", "500.csv: line 2, column 2 (a): \"x\" is not a number");
  unlink("waves/test/slow/500.csv");
  succeed("eval files");
}

static void other_verbs(void **state) {
  (void)state;
  assert_holds(succeed("info run"), "input       2x22");
  assert_holds(succeed("analyze run"), "gru1");
  assert_holds(succeed("check run --batch 2"), "random samples");
  const char *text = succeed("flow run");
  assert_holds(text, "sequences of the data, the longest, of each the last ");
  assert_holds(succeed("flow run --data waves.csv"), "gru1");
  assert_holds(succeed("hessian run --samples 16"), "largest");
  succeed("train waves.csv sequence=wave ignore=note optimizer=newton-cg epochs=2 'model=gru(3, last) -> dense(2)' --quiet "
          "--out newton");
  succeed("train waves.csv sequence=wave ignore=note optimizer=newton-cg optimizer.curvature_samples=20 epochs=2 "
          "'model=gru(3, last) -> dense(2)' --quiet --out newton2");
}

/* Real data: episodes of polluted air, cut by the recipe's own script. */
static void episodes_of_air(void **state) {
  (void)state;
  const char *air = shared("air");
  char line[1024];
  snprintf(line, sizeof line,
           "mkdir -p episodes/train/heating episodes/train/warm episodes/test/heating episodes/test/warm && "
           "zcat %s/*.csv.gz | tr -d '\"' | awk -F, -v out=episodes -f " CAUCHY_SOURCE "/recipes/episodes.awk > cut.txt",
           air);
  assert_int_equal(system(line), 0);
  assert_holds(succeed("data info episodes"), "2 929 sequences of 7 channels and 3 to 136 steps");
  const char *text = succeed("train " CAUCHY_SOURCE "/recipes/episodes.yaml data=episodes --out air");
  assert_true(accuracy_of(text, "test") > 85);
  assert_holds(succeed("predict air episodes/test/warm"), ".csv  warm");
  assert_holds(succeed("eval air"), "723");
  /* The same as one table: a column says which episode a row belongs to. */
  assert_int_equal(system("(echo episode,PM2.5,PM10,SO2,NO2,CO,O3,WSPM,season; for s in heating warm; do for f in "
                          "episodes/train/$s/*.csv; do sed 1d $f | sed \"s|^|$f,|; s|\\$|,$s|\"; done; done) > episodes.csv"), 0);
  text = succeed("train episodes.csv sequence=episode target=season epochs=8 'model=conv(16, 3, pad=causal) -> relu -> "
                 "global_avg_pool -> dense(2)' --out table");
  assert_holds(text, "episodes: sequences of 7 channels and 3 to ");
  assert_true(accuracy_of(text, "test") > 85);
}

/* Parity of the steps so far: a label for each step. */
static void labels_of_each_step(void **state) {
  (void)state;
  FILE *file = fopen("bits.csv", "wb");
  assert_non_null(file);
  fprintf(file, "word,bit,parity\n");
  unsigned random = 1;
  for (int i = 0; i < 300; i++)
    for (int t = 0, parity = 0; t < length_of(i); t++) {
      random = random * 1103515245U + 12345U;
      int bit = random >> 30 & 1;
      parity ^= bit;
      fprintf(file, "w%d,%d,%s\n", i, bit, parity ? "odd" : "even");
    }
  fclose(file);
  assert_holds(succeed("data info bits.csv --sequence word --each-step"), "classes  2: even (");
  const char *text = succeed("train bits.csv sequence=word each_step=true 'model=gru(16) -> conv(2, 1)' epochs=30 "
                             "learning_rate=0.01 --out bits");
  assert_holds(text, "in 2 classes, one for each step, target parity");
  assert_true(accuracy_of(text, "test") > 99);
  assert_true(accuracy_of(succeed("eval bits"), "test") > 99);
  write_file("word.csv", "word,bit\nx,1\nx,1\nyy,0\nyy,1\nyy,0\n");
  text = succeed("predict bits word.csv");
  assert_holds(text, "\nx:1   odd ");
  assert_holds(text, "\nx:2   even ");
  assert_holds(text, "\nyy:3  odd ");
  succeed("flow bits");
  succeed("hessian bits --samples 16");
  succeed("train --resume bits epochs=31 --out more --quiet");
  succeed("train more/recipe.yaml --quiet --out again2");
  assert_same_weights("more", "again2");
  refuse("train bits.csv sequence=word", "a sequence has one label (each_step: true takes one for each step)");
  refuse("train digits each_step=true", "digits: labels of each step are of sequences in a table: sequence: COLUMN");
  refuse("train bits.csv sequence=word each_step=true 'model=gru(4, last) -> dense(2)'", "needs 32x2x22");
  refuse("train bits.csv sequence=word each_step=true loss=hinge 'model=conv(2, 1)'", "need the loss cross_entropy");
}

static void brackets(void **state) {
  (void)state;
  assert_holds(succeed("data info brackets"), "5 000 sequences of 4 channels and 2 to 40 steps");
  const char *text = succeed("train " CAUCHY_SOURCE "/recipes/brackets.yaml length=12 epochs=12 --out brackets");
  assert_true(accuracy_of(text, "test") > 97);
  assert_true(accuracy_of(text, "baseline") < 95);
  assert_true(accuracy_of(succeed("eval brackets"), "test") > 97);
  refuse("train brackets length=7", "brackets: words of up to 7; length is even, 2 to 2000");
}

static void mistakes_take_one_line(void **state) {
  (void)state;
  refuse("train waves.csv sequence=wave", "waves.csv: line 2, column 2 (note): \"n\" is not a number (ignore: COLUMN leaves a "
                                          "column out)");
  refuse("train waves.csv sequence=weave", "has no column \"weave\"");
  refuse("train waves.csv sequence=wave ignore=note buckets=99", "buckets is 99; it must be >= 1 and <= 16");
  refuse("train digits buckets=2", "buckets are of sequences of different lengths");
  refuse("train waves.csv sequence=wave ignore=note 'model=flatten -> dense(2)'",
         "flatten \"flatten1\": needs sequences of one length; take the steps together before it");
  refuse("train waves.csv sequence=wave ignore=note 'model=conv(4, 9) -> global_avg_pool -> dense(2)'",
         "waves: sequence w0 has 4 steps: conv \"conv1\": kernel 9 spans 9");
  refuse("train waves.csv sequence=wave columns=a,b target=input", "sequences of different lengths can't be their own targets");
  refuse("train waves.csv sequence=wave ignore=note augment.flip=true", "which jitter and scaling can take");
  refuse("train waves.csv sequence=wave ignore=note sizes=3", "sizes are of images");
  write_file("short.csv", "wave,a\nw1,1\n");
  refuse("predict run short.csv", "short.csv: has no column \"b\"");
  write_file("empty.csv", "");
  refuse("train empty.csv sequence=wave", "empty.csv: holds no rows");
  write_file("two.csv", "wave,a,kind\nw1,1,slow\nw2,1,slow\nw1,1,fast\n");
  refuse("train two.csv sequence=wave", "row 3: kind of sequence w1 is fast, but slow in its first row: a sequence has one label");
  write_file("nan.csv", "wave,a,kind\nw1,1,slow\nw1,nan,slow\n");
  refuse("train nan.csv sequence=wave", "nan.csv: line 3, column 2 (a): the value is missing (\"nan\")");
  refuse("eval run digits", "digits");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_table_from_training_to_prediction),
      cmocka_unit_test(resuming_gives_the_same_bits),
      cmocka_unit_test(folders_of_files),
      cmocka_unit_test(other_verbs),
      cmocka_unit_test(labels_of_each_step),
      cmocka_unit_test(episodes_of_air),
      cmocka_unit_test(brackets),
      cmocka_unit_test(mistakes_take_one_line),
  };
  return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
