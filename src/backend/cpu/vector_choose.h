/* Shuffles of two vector registers by constant places, in the words of either compiler, and the places that take rows of
 * lanes apart into halves: for the reductions of tile_kernels_type.h. */
#ifndef CY_BACKEND_CPU_VECTOR_CHOOSE_H
#define CY_BACKEND_CPU_VECTOR_CHOOSE_H

#if defined(__clang__)
#define CY_CHOOSE(places, p, q, ...) __builtin_shufflevector(p, q, __VA_ARGS__)
#else
#define CY_CHOOSE(places, p, q, ...) __builtin_shuffle(p, q, (places){__VA_ARGS__})
#endif

/* Places of two registers of W lanes side by side that hold the first and second halves of every s of them: W_s. */
#define CY_FIRST_16_16 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define CY_SECOND_16_16 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#define CY_FIRST_16_8 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27
#define CY_SECOND_16_8 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31
#define CY_FIRST_16_4 0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29
#define CY_SECOND_16_4 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31
#define CY_FIRST_16_2 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define CY_SECOND_16_2 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#define CY_FIRST_8_8 0, 1, 2, 3, 8, 9, 10, 11
#define CY_SECOND_8_8 4, 5, 6, 7, 12, 13, 14, 15
#define CY_FIRST_8_4 0, 1, 4, 5, 8, 9, 12, 13
#define CY_SECOND_8_4 2, 3, 6, 7, 10, 11, 14, 15
#define CY_FIRST_8_2 0, 2, 4, 6, 8, 10, 12, 14
#define CY_SECOND_8_2 1, 3, 5, 7, 9, 11, 13, 15
#define CY_FIRST_4_4 0, 1, 4, 5
#define CY_SECOND_4_4 2, 3, 6, 7
#define CY_FIRST_4_2 0, 2, 4, 6
#define CY_SECOND_4_2 1, 3, 5, 7
#define CY_FIRST_2_2 0, 2
#define CY_SECOND_2_2 1, 3

#endif
