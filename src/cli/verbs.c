/* The verbs of the command, as one table: a verb is a row here and a file of its name. */
#include "cli/cli.h"

#include <string.h>

static const cli_option train_options[] = {
    {"--resume", "RUN", "go on with an interrupted run (its folder, or a checkpoint); epochs=N trains longer"},
    {"--out", "DIR", "write into this new folder instead of runs/<name>-<number>"},
    {"--threads", "N", "use N threads (all cores)"},
    {"--quiet", NULL, "print nothing but the run folder"},
    {0},
};
static const cli_option eval_options[] = {
    {"--part", "PART", "of the data: train, validation, test or all"},
    {"--size", "SIZES", "images resized: 64, 48x64; 24,28,32: a table by size"},
    {"--regions", "FILE", "of two features: draw the classes over the plane to a .png or .svg file"},
    {"--at-least", "ACCURACY", "exit with 1 if the accuracy is less: 0.97"},
    {"--json", NULL, "print one JSON object"},
    {"--threads", "N", "use N threads (all cores)"},
    {0},
};
static const cli_option predict_options[] = {
    {"--json", NULL, "print one JSON object per line"},
    {"--out", "FILE", "write to a .csv, .jsonl or .npy file (probabilities or values)"},
    {"--fit", "HOW", "bring pictures of another size to the model's: stretch, or crop to the middle"},
    {"--threads", "N", "use N threads (all cores)"},
    {0},
};
static const cli_option sample_options[] = {
    {"--prompt", "TEXT", "what it goes on from (else the beginning of a line)"},
    {"--length", "N", "write N characters (500)"},
    {"--temperature", "T", "1: by the model's probabilities; below, bolder: 0 always takes the most probable (1)"},
    {"--top-k", "K", "draw from the K most probable characters only (all)"},
    {"--seed", "N", "of the random numbers (0)"},
    {"--threads", "N", "use N threads (1)"},
    {0},
};
static const cli_option data_options[] = {
    {"--url", "URL", "get: fetch the files from this folder instead"},
    {"--quiet", NULL, "get: show no progress"},
    {"--sequence", "COLUMN", "info: of a CSV file, the column that says to which sequence a row belongs"},
    {"--target", "COLUMN", "info: the column to predict"},
    {"--each-step", NULL, "info: the target is a class for each step of a sequence"},
    {"--ignore", "COLUMNS", "info: columns of a CSV file that are left out"},
    {"--resize", "SIZE", "info: bring images to this size, 64 or 48x64 (height x width)"},
    {"--picture", "FILE", "info: draw ten images of each class to a .png or .svg file"},
    {0},
};
static const cli_option info_options[] = {
    {"--json", NULL, "print one JSON object"},
    {0},
};
static const cli_option analyze_options[] = {
    {"--input", "SHAPE", "of one input: 3x64x64 (channels, height, width)"},
    {"--layer", "NAME", "one layer's arithmetic step by step, as on paper"},
    {"--vary", NULL, "sizes as functions of the input, and the smallest input that works"},
    {"--field", "LAYER[@Y,X]", "what one unit sees (without a place: the middle one)"},
    {"--measure", NULL, "with --field: also measure it by derivative; exit with 1 if that differs"},
    {"--effective", NULL, "with --field: how much each input counts, by its mean squared derivative"},
    {"--picture", "FILE", "draw the network, or with --field the unit's field, to a .svg or .png file"},
    {"--batch", "N", "memory for batches of N (inference 1; training 32 or the recipe's)"},
    {"--training", NULL, "compile the training step even of more than 500 layers, for its memory"},
    {"--json", NULL, "print one JSON object"},
    {"--markdown", NULL, "print the table as Markdown"},
    {0},
};
static const cli_option check_options[] = {
    {"--input", "SHAPE", "of one input: 3x64x64 (channels, height, width)"},
    {"--loss", "NAME", "cross_entropy, mse, ... (the training's; else by the output)"},
    {"--batch", "N", "samples to compute with (4; large networks 2)"},
    {"--directions", "N", "random directions per tensor (2; large networks 1)"},
    {"--coordinates", "N", "single coordinates per tensor (3; large networks none)"},
    {"--seed", "N", "of the random numbers (0)"},
    {"--random", NULL, "random samples even if the model's data are here"},
    {"--threads", "N", "use N threads (1)"},
    {"--json", NULL, "print one JSON object"},
    {0},
};
static const cli_option hessian_options[] = {
    {"--input", "SHAPE", "of one input: 3x64x64 (channels, height, width)"},
    {"--data", "DATA", "a data set, as for train (the model's own; random samples for a description)"},
    {"--samples", "N", "mean loss over N of the training samples, evenly spread (1000; random ones 256)"},
    {"--matrix", "NAME", "hessian, gauss-newton or fisher (empirical)"},
    {"--loss", "NAME", "cross_entropy, mse, ... (the training's; else by the targets)"},
    {"--training", NULL, "batch normalisation by each batch's statistics, dropout with fixed random numbers"},
    {"--eigenvalues", "K", "at each end of the spectrum (3)"},
    {"--density", NULL, "the spectral density, by stochastic Lanczos quadrature"},
    {"--trace", NULL, "the trace by parameter tensor too"},
    {"--differences", NULL, "products by differences of gradients against the exact one, by r"},
    {"--direction", "FILE", "differences: along this vector (NPY) instead of a random one"},
    {"--full", "FILE", "form the whole matrix and write it (NPY, f64)"},
    {"--probes", "N", "random vectors (trace 30, density 10)"},
    {"--batch", "N", "samples at once (as fit into 1 GiB, at most 256; --training: the training's)"},
    {"--dtype", "TYPE", "f32 or f64 (f32; differences always f64)"},
    {"--seed", "N", "of the random numbers (0)"},
    {"--threads", "N", "use N threads (all cores)"},
    {"--json", NULL, "print one JSON object"},
    {"--out", "DIR", "pictures of the density and the differences, PNG and SVG"},
    {0},
};
static const cli_option flow_options[] = {
    {"--input", "SHAPE", "of one input: 10x168 (channels, steps); 100 (steps of whole numbers)"},
    {"--steps", "T", "made-up sequences of so many steps (without --input: of one channel)"},
    {"--data", "DATA", "a data set, as for train (the model's own; made-up sequences for a description)"},
    {"--samples", "N", "sequences (8 made up, 32 of data)"},
    {"--amplitude", "A", "deviation of made-up inputs (1; with --radius 0: the state stays at rest)"},
    {"--radius", "LIST", "scale the recurrent matrix of rnn to these spectral radii: 0.9,1,1.1"},
    {"--clip", "NORM", "what clipping to this norm does (the training's, if it clips)"},
    {"--demo", NULL, "gradients that vanish, stay and explode: 'rnn(32)' --steps 100 --radius 0.9,1,1.1"},
    {"--seed", "N", "of the random numbers (0)"},
    {"--threads", "N", "use N threads (1)"},
    {"--json", NULL, "print one JSON object"},
    {"--out", "DIR", "the norms as a picture, flow.png and flow.svg"},
    {0},
};
static const cli_option derive_options[] = {
    {"--where", "DIMENSIONS", "of the formula's symbols: 'x:d, W:(h,d), y:index'"},
    {"--input", "SHAPE", "of a network: one input, 4 or 1x8x8"},
    {"--loss", "NAME", "of a network: cross_entropy, mse, mae, binary_cross_entropy (none: of its output)"},
    {"--batch", "N:SYMBOLS", "a mini-batch: the dimension and what differs between examples, n:x,y (networks: n)"},
    {"--names", NULL, "name no values but the formula's own"},
    {"--elementwise", NULL, "index form: dW_ij = da_i x_j"},
    {"--jvp", "X=V,...", "derivatives along directions, by the R-operator (all: of every symbol)"},
    {"--hvp", "X=V,...", "also of the gradients: the product with the Hessian (all: of every symbol)"},
    {"--sum-to-one", "SYMBOLS", "these are distributions: t"},
    {"--latex", NULL, "print LaTeX (amsmath)"},
    {"--numpy", NULL, "print a NumPy program that computes every line"},
    {"--html", "FILE", "write a page (MathML)"},
    {"--pdf", "FILE", "write a page, by an installed LaTeX"},
    {"--png", "FILE", "the first page as a picture, cropped"},
    {0},
};
static const cli_option matrix_options[] = {
    {"--input", "SHAPE", "of one input: 1x8x8 (channels, then space)"},
    {"--layer", "NAME", "only this layer of the network"},
    {"--dense", NULL, "print numbers instead of symbols"},
    {"--latex", NULL, "print LaTeX"},
    {"--npy", "FILE", "write the numbers, f64"},
    {"--picture", "FILE", "draw it, as .png or .svg: by weight, with --dense by number"},
    {"--check", NULL, "multiply, run the layer, and compare; exit with 1 if they differ"},
    {"--weights", "NUMBERS", "of the layers' weights: '1 0; 0 1' (| between layers), or a CSV or NPY file"},
    {"--seed", "N", "of the weights where none are given (1)"},
    {"--step", NULL, "show the windows of convolutions and poolings one by one"},
    {"--values", "NUMBERS", "step: the input, '1 2; 3 4' (| between channels), or a CSV or NPY file"},
    {"--unit", "I,J", "step: only the window of this unit, counted from 0"},
    {"--limit", "N", "step: show N windows of each layer (32)"},
    {0},
};
static const cli_option minimize_options[] = {
    {"--from", "POINT", "where to start: x=4; x=-1.2,y=1; w=1,2,3 (a vector)"},
    {"--given", "POINT", "symbols that are held: a=2,y=1"},
    {"--dimensions", "LIST", "of the symbols: 'W:(h,d), x:d, y:index' (else from the numbers)"},
    {"--method", "NAMES", "gd, momentum, nesterov, adam, newton, newton-cg, lbfgs (gd); several: gd,newton; all"},
    {"--rate", "R", "step size (0.1); of a method with a line search its first step (1), if it is alone"},
    {"--momentum", "M", "of momentum and nesterov (0.9)"},
    {"--damping", "L", "of newton (0) and newton-cg (1): added to the curvature"},
    {"--iterations", "N", "at most (1000); 0: evaluates the start"},
    {"--tolerance", "T", "stop when |gradient| is at most this (1e-8)"},
    {"--plot", "FILE", "draw the path (of three or more numbers: the values) to a .png or .svg file"},
    {"--out", "DIR", "draw the path and the values, as .png and .svg, into this folder"},
    {"--json", NULL, "print one JSON object with every iterate"},
    {0},
};

static const cli_verb verbs[] = {
    {.name = "train",
     .usage = "RECIPE [key=value ...]",
     .summary = "train a network and report how well it does",
     .help = "RECIPE is a YAML file, a built-in recipe (digits, iris, mnist-mlp, fashion-mnist), or data: the\n"
             "name of a data set, a CSV or NPZ file, a folder of IDX files, or of pictures or CSV files by class.\n"
             "key=value changes a key of the recipe: `cauchy help recipe` lists them.\n\n"
             "A run folder receives the model, a checkpoint, the recipe as used, metrics (one JSON object per\n"
             "line), curves, a confusion matrix, of two classes the ROC curve, of two features the decision regions,\n"
             "of numbers to predict a chart against what is so (PNG and SVG); the last line names it. Balanced\n"
             "accuracy is the mean over the classes of the share that is recognised; ROC AUC how often the second\n"
             "of two classes scores above the first (of more classes the mean of each against the rest). Ctrl-C\n"
             "finishes the step, saves, and says how to go on; a resumed run ends with the same bits as one that\n"
             "was never interrupted.",
     .examples = "cauchy train digits                            # built in; seconds\n"
                 "cauchy train digits 'model=dense(128) -> relu -> dropout(0.2) -> dense(10)'\n"
                 "cauchy train recipes/mnist-mlp.yaml epochs=5 optimizer.name=momentum learning_rate=0.05\n"
                 "cauchy train wine.csv target=quality task=regress\n"
                 "cauchy train recipes/air.yaml data=folder         # windows of tables: sequences of sensors\n"
                 "cauchy train runs.csv sequence=run target=result  # rows of one run: sequences of different lengths\n"
                 "cauchy train --resume runs/digits-1 epochs=80",
     .options = train_options,
     .max_words = -1,
     .run = cli_train},
    {.name = "eval",
     .usage = "MODEL [DATA]",
     .summary = "loss, accuracy and a table by class of a saved model",
     .help = "MODEL is a run folder or a .safetensors file. Without DATA the test part of the data it was\n"
             "trained on is used, split as it was then. DATA is a data set, as for train; of another than the\n"
             "model's own its test part, or all if it has none. Images of other sizes than those of the training\n"
             "are resized if it was trained with a single entry of sizes, else taken as they are.",
     .examples = "cauchy eval runs/digits-1\n"
                 "cauchy eval runs/variable-size-1 --size 16,20,24,28,32,40   # convolutions and global pooling\n"
                 "cauchy eval runs/iris-1 --part all --json\n"
                 "cauchy eval runs/xor-1 --regions plane.png   # decision regions of two features\n"
                 "cauchy eval runs/mnist-1/model.safetensors /data/mnist --at-least 0.98   # for scripts",
     .options = eval_options,
     .min_words = 1,
     .max_words = 2,
     .run = cli_eval},
    {.name = "predict",
     .usage = "MODEL INPUT [PICTURE ...]",
     .summary = "classes and probabilities for new samples",
     .help = "INPUT is a CSV, NPY, NPZ (its \"x\") or IDX file, or - for standard input. One row is one sample,\n"
             "raw as in training: the model scales it. A CSV file with a header may have other columns too, in\n"
             "any order. Or INPUT is pictures: PNG and JPEG files and folders of them, resized and converted as\n"
             "the training said. Of a model of windows of tables INPUT is such a table, or a folder or pattern\n"
             "of them: each is cut into windows, the last of which ends with the last row. Of a model\n"
             "of sequences of different lengths: a table with the column that tells them apart; or, where files\n"
             "are sequences, such a file or a folder of them. Of a model of a text: a text, and what is predicted\n"
             "is the character after it.",
     .examples = "cauchy predict runs/iris-1 flowers.csv\n"
                 "cauchy predict runs/mnist-1 t10k-images-idx3-ubyte.gz --out answers.csv\n"
                 "cauchy predict runs/cifar10-1 photo.jpg holidays/ --fit crop\n"
                 "echo 5.1,3.5,1.4,0.2 | cauchy predict runs/iris-1 - --json",
     .options = predict_options,
     .min_words = 2,
     .max_words = -1,
     .run = cli_predict},
    {.name = "sample",
     .usage = "MODEL",
     .summary = "let a model of a text write on",
     .help = "MODEL is a run folder or a .safetensors file of a model trained on a text. Prompt and what follows go to\n"
             "standard output, each character as it is drawn. Recurrent layers take their state from one character\n"
             "to the next; where convolutions or attention look back, the last window is computed again for each\n"
             "character. The same seed writes the same text.",
     .examples = "cauchy sample runs/shakespeare-1 --prompt 'ROMEO:' --temperature 0.8\n"
                 "cauchy sample runs/sonnets-1 --length 2000 --seed 7 > sonnet.txt",
     .options = sample_options,
     .min_words = 1,
     .max_words = 1,
     .run = cli_sample},
    {.name = "data",
     .usage = "list | info NAME | get NAME",
     .summary = "data sets: what there is, and fetching it",
     .help = "Data sets live in $CAUCHY_DATA, else $XDG_DATA_HOME/cauchy, else ~/.local/share/cauchy. A fetch\n"
             "that breaks off is continued by the next one, and every file is checked. info also takes the\n"
             "path of a data set.",
     .examples = "cauchy data list\n"
                 "cauchy data get mnist\n"
                 "cauchy data info wine.csv\n"
                 "cauchy data info runs.csv --sequence run --target result\n"
                 "cauchy data info photos/ --resize 64 --picture photos.png",
     .options = data_options,
     .min_words = 1,
     .max_words = 2,
     .run = cli_data},
    {.name = "info",
     .usage = "MODEL",
     .summary = "what is in a saved model: network, parameters, how it was trained",
     .help = "MODEL is a run folder or any .safetensors file.",
     .examples = "cauchy info runs/digits-1",
     .options = info_options,
     .min_words = 1,
     .max_words = 1,
     .run = cli_info},
    {.name = "analyze",
     .usage = "NETWORK [--input SHAPE]",
     .summary = "sizes, parameters, arithmetic, memory and receptive fields of a network",
     .help = "NETWORK is an expression, a file of one, a recipe, a run folder or a .safetensors file; the last\n"
             "three know their input. Per layer: the output's size, parameters, multiply-adds, bytes of the\n"
             "output, and its receptive field over the input: how many elements a unit sees along each axis,\n"
             "the stride from one unit's field to the next one's, and the middle of the first one's. Fields do\n"
             "not stop at the border; they are \"all\" where every unit sees everything.",
     .examples = "cauchy analyze 'conv(8, 3) -> relu -> max_pool(2) -> conv(16, 3) -> flatten -> dense(10)' --input 1x28x28\n"
                 "cauchy analyze runs/mnist-1 --batch 256\n"
                 "cauchy analyze recipes/models/custom-model.net --input 3x64x64 --layer conv2   # as on paper\n"
                 "cauchy analyze recipes/models/variable-size.net --input 3x32x32 --vary         # sizes as formulas\n"
                 "cauchy analyze recipes/models/resnet18.net --input 3x32x32 --picture resnet18.svg\n"
                 "cauchy analyze runs/mnist-1 --field conv2@5,9 --effective --picture field.png",
     .options = analyze_options,
     .min_words = 1,
     .max_words = 1,
     .run = cli_analyze},
    {.name = "matrix",
     .usage = "NETWORK [--input SHAPE]",
     .summary = "a layer as the matrix of a linear operator, in symbols and numbers",
     .help = "NETWORK is one layer or a chain of linear layers, or what analyze takes, of which --layer picks one.\n"
             "Rows are outputs and columns inputs, both flattened in the row-major order of channels, rows,\n"
             "columns; biases only add f(0) and are left aside. Entries are sums of weights, found by derivatives;\n"
             "layers that are not linear are refused by name.\n\n"
             "With --step the numbers themselves: for each window the patch, the kernel, the products and their\n"
             "sum. conv(..., flipped=true) is the convolution of mathematics, whose kernel runs backwards.",
     .examples = "cauchy matrix 'conv(1, 3, stride=2, pad=1)' --input 1x3x3\n"
                 "cauchy matrix 'conv_transpose(1, 2, stride=2)' --input 1x2x2 --latex\n"
                 "cauchy matrix 'conv(1, 3) -> avg_pool(2)' --input 1x6x6 --picture operator.svg\n"
                 "cauchy matrix runs/mnist-1 --layer conv1 --npy conv1.npy --check\n"
                 "cauchy matrix 'conv(1, 3, pad=half)' --step --values image.csv --weights '2 0 2; 3 5 1; 0 1 4'\n"
                 "cauchy matrix 'conv(1, 3, dilation=2)' --input 1x8x8 --step --picture dilated.png",
     .options = matrix_options,
     .min_words = 1,
     .max_words = 1,
     .run = cli_matrix},
    {.name = "check",
     .usage = "MODEL [--input SHAPE]",
     .summary = "derivatives against differences, equivariance, stability: pass or fail",
     .help = "MODEL is a run folder, a .safetensors file, a recipe, or a network in words or in a file. In f64, on the\n"
             "model's weights (random ones for a description) and samples of its data (random if they are not\n"
             "here), in inference and in training mode where that differs:\n\n"
             "  each layer alone   gradient against central differences, forward against reverse mode (u'Jv), the\n"
             "                     Hessian's symmetry, and its products against differences of gradients\n"
             "  the loss           its gradient by every parameter tensor and by the input, and the same\n"
             "  batch_norm         its gradients in training against their closed forms\n"
             "  equivariance       shifting the input by the stride shifts the convolutional part by a unit; the\n"
             "                     width of the border where it does not is measured\n"
             "  softmax            does not change when a constant is added to all logits\n"
             "  extreme outputs    +-10000 and -inf: loss and gradient stay finite, and right\n\n"
             "Errors are relative. At kinks (relu, maxima) no difference is the derivative: such comparisons are left\n"
             "out and counted. Kinks that steps merely cross are held: relus keep their sides, maxima their places.\n"
             "Exits with 1 and names the layer if a check fails.\n\n"
             "Large networks are checked with fewer samples and directions, as the report says; what would take\n"
             "hours, or more memory than there is, is refused before it begins.",
     .examples = "cauchy check runs/mnist-1\n"
                 "cauchy check recipes/custom-model-mnist.yaml\n"
                 "cauchy check 'conv(8, 3) -> relu -> max_pool(2) -> flatten -> dense(10)' --input 1x28x28\n"
                 "cauchy check 'dense(32) -> tanh -> dense(1)' --input 5 --loss mse --json",
     .options = check_options,
     .min_words = 1,
     .max_words = 1,
     .run = cli_check_verb},
    {.name = "derive",
     .usage = "FORMULA | NETWORK",
     .summary = "the gradients of a formula as mathematics: every step, in matrix form",
     .help = "FORMULA is statements in the usual notation, separated by ; (cauchy help minimize lists the functions);\n"
             "the last one is what is differentiated. Values that it leaves without a name get one: a, h, o, s. Each\n"
             "line is read from the graph that computes the derivative, cut at the names: d<name> is the gradient of the\n"
             "result by that value; of a result that is not a number its own gradient is given, and Jacobians are shown.\n"
             "R<name> is the derivative of a value along the direction.\n\n"
             "NETWORK is what analyze takes, with --input; rows are examples.\n\n"
             "The NumPy program takes its inputs from a file if it is given one, else at random:\n"
             "python3 program.py [inputs.npz [results.npz]].",
     .examples = "cauchy derive 'L = -log(softmax(W2*relu(W1*x + b1) + b2))[y]' \\\n"
                 "       --where 'x:d, W1:(h,d), b1:h, W2:(m,h), b2:m, y:index' --batch n:x,y\n"
                 "cauchy derive 's = softmax(a)' --where a:m                   # its Jacobian\n"
                 "cauchy derive 's = sigmoid(a); C = (s - y)^2' --latex\n"
                 "cauchy derive 'h[t] = tanh(W*h[t-1] + U*x[t] + b) for t = 1..3; L = sum(t=1..3, |h[t] - y[t]|^2)' \\\n"
                 "       --where 'W:(h,h), U:(h,d), b:h, h[0]:h, x[t]:d, y[t]:h'\n"
                 "cauchy derive \"x' * A * x\" --where 'x:d, A:(d,d)' --hvp x=v\n"
                 "cauchy derive 'dense(5) -> relu -> dense(3)' --input 4 --loss cross_entropy --numpy > mlp.py",
     .options = derive_options,
     .min_words = 1,
     .max_words = 1,
     .formula = true,
     .run = cli_derive},
    {.name = "minimize",
     .usage = "FORMULA --from POINT",
     .summary = "a formula's minimum, step by step, by first and second order",
     .help = "FORMULA is mathematics as one writes it: + - * / ^, |x|, exp log sqrt sin cos tanh sigmoid relu softplus\n"
             "abs max min sum mean norm dot softmax and others; statements a = ...; b = ... may come before. A symbol\n"
             "with several numbers is a vector: w=1,2,3; w[0] is its first element, w'*x or w^T*x an inner product.\n\n"
             "Every step is shown (long courses thinned): x, f, the gradient's norm, the step's length and rate, and\n"
             "what the method has to say. Then where it ended, and the curvature there: the rate of plain gradient\n"
             "descent must be below 2/lambda_max. A step that diverges is explained by the curvature where it begins.\n"
             "Derivatives are exact. Exits with 1 if a method diverges, with 2 where the formula is undefined at the\n"
             "start.",
     .examples = "cauchy minimize 'x^2 + 0.8*x - 0.5' --from x=4                       # step by step to -0.4\n"
                 "cauchy minimize 'x^2 + 0.8*x - 0.5' --from x=4 --rate 1.2            # diverges, and why\n"
                 "cauchy minimize '(1-x)^2 + 100*(y-x^2)^2' --from x=-1.2,y=1 --method newton --plot path.svg\n"
                 "cauchy minimize '(1-x)^2 + 100*(y-x^2)^2' --from x=-1.2,y=1 --method momentum,newton,lbfgs \\\n"
                 "       --rate 0.0005 --out rosenbrock\n"
                 "cauchy minimize '0.5*|w|^2 + softplus(-y*(w^T*x))' --from w=1,2,3 --given x=1,0,-1,y=1 --method lbfgs",
     .options = minimize_options,
     .min_words = 1,
     .max_words = 1,
     .formula = true,
     .run = cli_minimize},
    {.name = "hessian",
     .usage = "MODEL [--data DATA]",
     .summary = "curvature of a loss: extreme eigenvalues, trace, density, step bounds, exact products",
     .help = "MODEL is a run folder or a .safetensors file, whose own training data are found again; or a recipe, or a\n"
             "network in words or in a file (with --input, or with --data), at random weights. The matrix of second\n"
             "derivatives of the mean loss by all parameters is never formed, save with --full: its products with\n"
             "vectors are exact (Pearlmutter's R-operator) and cost about two gradients.\n\n"
             "Eigenvalues come from Lanczos's method with a bound of each one's error; 1 / lambda and 2 / lambda of the\n"
             "largest bound the steps of gradient descent. The trace is Hutchinson's estimate with its standard error.\n"
             "--differences compares (g(w + r v) - g(w)) / r with the exact product: its error falls with r until\n"
             "round-off makes it rise.",
     .examples = "cauchy hessian runs/digits-1 --density --out curvature\n"
                 "cauchy hessian 'dense(512) -> relu -> dense(512) -> relu -> dense(10)' --input 32\n"
                 "cauchy hessian runs/mnist-1 --matrix gauss-newton --eigenvalues 10 --samples 5000\n"
                 "cauchy hessian 'dense(8) -> tanh -> dense(3)' --data iris --differences --full h.npy --dtype f64",
     .options = hessian_options,
     .min_words = 1,
     .max_words = 1,
     .run = cli_hessian_verb},
    {.name = "flow",
     .usage = "MODEL... [--data DATA]",
     .summary = "gradients through time: norms by lag, Jacobians of steps, spectral radius, clipping",
     .help = "MODEL is a network in words or in a file (with --input, --steps or --data), a recipe, a run folder or a\n"
             ".safetensors file, whose own data are found again; several are shown side by side. For every recurrent\n"
             "layer: the norm of dL/dh_k, the derivative of the loss L of the last step by the state k, against the lag,\n"
             "how many steps were read since. It is a product of one Jacobian per step; those of rnn are Diag(f') U', of\n"
             "which the singular values are shown, and the spectral radius of U. Below 1 gradients vanish, above 1 they\n"
             "explode, at 1 they keep their size; an LSTM's memory c is shown beside its state h.\n\n"
             "--radius scales U; inputs are 0 then, so that f' stays what it is at rest (1 for tanh), unless --amplitude\n"
             "says otherwise: states that saturate make f' smaller. Norms of the gradient of all parameters show what\n"
             "--clip would cut.",
     .examples = "cauchy flow --demo --out flow                                # coursework C.III in one picture\n"
                 "cauchy flow 'rnn(32, tanh)' --steps 100 --radius 0.9,1,1.1 --amplitude 1\n"
                 "cauchy flow 'rnn(32, last) -> dense(1)' 'lstm(32, last) -> dense(1)' --input 2x100 --out flow\n"
                 "cauchy flow runs/characters-1 --clip 1",
     .options = flow_options,
     .min_words = 0,
     .max_words = 8,
     .run = cli_flow_verb},
    {.name = "layers",
     .usage = "[LAYER]",
     .summary = "the layers of the architecture language",
     .help = "A network is layers joined by arrows: dense(128) -> relu -> dropout(0.2) -> dense(10).",
     .examples = "cauchy layers\n"
                 "cauchy layers dense",
     .max_words = 1,
     .run = cli_layers},
    {.name = "version", .usage = "", .summary = "version, and what this build was made with", .run = cli_version},
    {.name = "help",
     .usage = "[VERB | recipe | layers]",
     .summary = "this overview, or more about a verb",
     .examples = "cauchy help train\n"
                 "cauchy help recipe      # every key of a recipe",
     .max_words = 1,
     .run = cli_help},
};
enum { VERBS = sizeof verbs / sizeof *verbs };

const cli_verb *cli_verb_at(int i) { return i >= 0 && i < VERBS ? &verbs[i] : NULL; }

const cli_verb *cli_verb_find(const char *name) {
  const char *names[VERBS];
  char hint[CLI_HINT_SIZE];
  for (int i = 0; i < VERBS; i++) {
    if (strcmp(verbs[i].name, name) == 0) return &verbs[i];
    names[i] = verbs[i].name;
  }
  cli_hint(name, names, VERBS, hint);
  cy_status status = cy_fail(CY_INVALID, "there is no verb \"%.60s\"%s", name, hint[0] ? hint : "; see cauchy help");
  (void)status; /* recorded for the caller */
  return NULL;
}
