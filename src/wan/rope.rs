//! Rotary position tables over (frame, row, column), computed once in f64 on the host.

use super::spec::Spec;

/// Cosines and sines of every token's rotation, row-major `[tokens, head_dim / 2]`.
#[derive(Clone, Debug)]
pub struct RopeTables {
    /// Cosine per (token, pair).
    pub cos: Vec<f32>,
    /// Sine per (token, pair).
    pub sin: Vec<f32>,
    /// Number of tokens: rows of the tables.
    pub tokens: usize,
    /// Rotated pairs per head.
    pub pairs: usize,
}

/// Tables for a grid of (frames, rows, columns) patches, tokens in that order.
///
/// Of the `c = head_dim / 2` pairs, `c - 2⌊c/3⌋` turn with the frame, `⌊c/3⌋` with the row and
/// `⌊c/3⌋` with the column; pair `i` of an axis of `n` turns by `position · 10000^(-i/n)`.
pub fn tables(spec: &Spec, grid: [usize; 3]) -> RopeTables {
    let pairs = spec.head_dim() / 2;
    let third = pairs / 3;
    let axis_pairs = [pairs - 2 * third, third, third];
    let frequencies = axis_pairs.map(|n| (0..n).map(|i| 10_000f64.powf(-(i as f64) / n as f64)).collect::<Vec<_>>());

    let tokens = grid.iter().product();
    let mut tables =
        RopeTables { cos: Vec::with_capacity(tokens * pairs), sin: Vec::with_capacity(tokens * pairs), tokens, pairs };
    for frame in 0..grid[0] {
        for row in 0..grid[1] {
            for column in 0..grid[2] {
                for (position, axis) in [frame, row, column].into_iter().zip(&frequencies) {
                    for frequency in axis {
                        let (sin, cos) = (position as f64 * frequency).sin_cos();
                        tables.cos.push(cos as f32);
                        tables.sin.push(sin as f32);
                    }
                }
            }
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_split_over_the_axes_and_turn_with_their_own_position() {
        // head_dim 64: 32 pairs, split 12 + 10 + 10.
        let tables = tables(&Spec::synthetic(), [2, 2, 2]);
        assert_eq!((tables.tokens, tables.pairs), (8, 32));
        let sin = |token: usize, pair: usize| tables.sin[token * 32 + pair];
        assert!(tables.sin[..32].iter().all(|s| *s == 0.0), "the first token stands at the origin");
        // Token 1 is one column on: only the last ten pairs turn, the first of them by one radian.
        assert_eq!(sin(1, 22), 1f64.sin() as f32);
        assert!((0..22).all(|pair| sin(1, pair) == 0.0));
        // Token 2 is one row on, token 4 one frame on.
        assert_eq!(sin(2, 12), 1f64.sin() as f32);
        assert_eq!(sin(4, 0), 1f64.sin() as f32);
        assert_eq!(sin(4, 1), 10_000f64.powf(-1.0 / 12.0).sin() as f32);
    }
}
