/** Decompositions of matrices, float32 or float64. */
import { native } from "./native.ts"
import { made } from "./scope.ts"
import type { Tensor } from "./tensor.ts"

/** Singular values of [M,N], descending: [min(M,N)]. */
export const singularValues = (t: Tensor): Tensor => made(native.singularValues(t.handle))
/** R of t = QR, with RᵀR = tᵀt: [min(M,N),N] of [M,N]. */
export const triangularFactor = (t: Tensor): Tensor => made(native.triangularFactor(t.handle))
/** Eigenvalues [N], ascending, and orthonormal eigenvectors [N,N], by columns, of a symmetric matrix of which the lower triangle is read. */
export const eigenSymmetric = (t: Tensor): readonly [Tensor, Tensor] => native.eigenSymmetric(t.handle).map(made) as [Tensor, Tensor]
