/* Cauchy: deep learning in C with derivatives you can check. This header is the whole public interface;
 * the parts can also be included alone.
 *
 *   status   errors are values           tensor    numbers in memory; the state that outlives a run
 *   graph    values and printing         ops       the operations
 *   autodiff derivatives as graphs       program   compile and run */
#ifndef CAUCHY_H
#define CAUCHY_H

#include <cauchy/autodiff.h>
#include <cauchy/graph.h>
#include <cauchy/ops.h>
#include <cauchy/optim.h>
#include <cauchy/program.h>
#include <cauchy/status.h>
#include <cauchy/tensor.h>

#endif
