/* Cauchy: deep learning in C with derivatives you can check. This header is the whole public interface;
 * its parts can also be included alone.
 *
 *   status    errors are values            nn     networks from text or from calls
 *   tensor    numbers; the state of a run  optim  optimisers, schedules, clipping
 *   graph     values, printing             data   data sets
 *   ops       the operations               train  the training loop
 *   scan      loops over time
 *   autodiff  derivatives as graphs        io     tensor files
 *   program   compiling and running        plot   charts as PNG and SVG
 *   operator  layers as matrices           check  are derivatives those of the values?
 *   flow      gradients through time
 *   formula   formulas, read into graphs   derive    their gradients as mathematics
 *   objective, minimize  functions with curvature, and their minima */
#ifndef CAUCHY_H
#define CAUCHY_H

#include <cauchy/analyze.h>
#include <cauchy/autodiff.h>
#include <cauchy/check.h>
#include <cauchy/curvature.h>
#include <cauchy/data.h>
#include <cauchy/derive.h>
#include <cauchy/flow.h>
#include <cauchy/formula.h>
#include <cauchy/graph.h>
#include <cauchy/io.h>
#include <cauchy/minimize.h>
#include <cauchy/nn.h>
#include <cauchy/objective.h>
#include <cauchy/operator.h>
#include <cauchy/ops.h>
#include <cauchy/optim.h>
#include <cauchy/plot.h>
#include <cauchy/program.h>
#include <cauchy/scan.h>
#include <cauchy/status.h>
#include <cauchy/tensor.h>
#include <cauchy/train.h>

#endif
