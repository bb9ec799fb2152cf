/* MLX's Linux wheel bundles the reference BLAS (4 GFLOP/s). These forwarders, linked into libmlxc.so, are found before it and hand
   MLX's matrix products to OpenBLAS, which scipy's wheel exports under a prefix of its own (hundreds of GFLOP/s).
   MLX calls these three cblas functions; its LAPACK stays as it is. */

/* The CBLAS enumerations are passed as int, which is how the ABI passes them. */
#define GEMM(name, scalar, matrix)                                                                            \
  void scipy_cblas_##name(int, int, int, int, int, int, scalar, const matrix *, int, const matrix *, int,     \
                          scalar, matrix *, int);                                                             \
  void cblas_##name(int order, int transpose_a, int transpose_b, int m, int n, int k, scalar alpha,           \
                    const matrix *a, int lda, const matrix *b, int ldb, scalar beta, matrix *c, int ldc) {    \
    scipy_cblas_##name(order, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);        \
  }

GEMM(sgemm, float, float)
GEMM(dgemm, double, double)
GEMM(cgemm, const void *, void)
