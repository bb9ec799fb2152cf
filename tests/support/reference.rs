//! The network written out in float64 with plain loops, to hold both backends against. No camera.

use statrs::function::erf::erf;
use wanbench::wan::inputs::HostTensor;
use wanbench::wan::spec::IMAGE_NORM_EPS;
use wanbench::wan::{Checkpoint, Inputs, Spec};

/// Rows of features.
type Rows = Vec<Vec<f64>>;

/// v of the checkpoint's network at timestep `t`: `[out_dim, frames, height, width]`, row-major.
pub fn velocity(checkpoint: &Checkpoint, inputs: &Inputs, t: f32) -> Vec<f64> {
    Network { checkpoint, spec: &checkpoint.spec }.forward(inputs, f64::from(t))
}

struct Network<'a> {
    checkpoint: &'a Checkpoint,
    spec: &'a Spec,
}

impl Network<'_> {
    fn forward(&self, inputs: &Inputs, t: f64) -> Vec<f64> {
        let grid = self.spec.grid(inputs.latent()).unwrap();
        let latent: Vec<&HostTensor> = [Some(&inputs.x), inputs.y.as_ref()].into_iter().flatten().collect();
        let mut x = self.linear("patch_embedding", &self.patches(&latent, inputs.latent(), grid));
        let e = self.mlp("time_embedding.0", silu, "time_embedding.2", &vec![sinusoid(t, self.spec.freq_dim)]);
        let time = self.linear("time_projection.1", &map(&e, silu))[0].clone();
        let context = inputs.padded_context(self.spec);
        let text =
            self.mlp("text_embedding.0", gelu_tanh, "text_embedding.2", &rows(&context.data, self.spec.text_dim));
        let image = inputs.image.as_ref().map(|image| {
            let width = self.spec.image_dim.unwrap();
            let normed = self.affine_norm("img_emb.proj.0", &rows(&image.data, width), IMAGE_NORM_EPS);
            let embedded = self.mlp("img_emb.proj.1", gelu, "img_emb.proj.3", &normed);
            self.affine_norm("img_emb.proj.4", &embedded, IMAGE_NORM_EPS)
        });
        for block in 0..self.spec.num_layers {
            x = self.block(&format!("blocks.{block}"), x, &time, &text, image.as_ref(), grid);
        }
        let modulation = self.param("head.modulation");
        let dim = self.spec.dim;
        let row = |index: usize| -> Vec<f64> { (0..dim).map(|i| modulation[index * dim + i] + e[0][i]).collect() };
        let v = self.linear("head.head", &modulated(&norm(&x, self.spec.eps), &row(0), &row(1)));
        self.unpatched(&v, inputs.latent(), grid)
    }

    fn block(
        &self,
        name: &str,
        mut x: Rows,
        time: &[f64],
        text: &Rows,
        image: Option<&Rows>,
        grid: [usize; 3],
    ) -> Rows {
        let (dim, eps) = (self.spec.dim, self.spec.eps);
        let modulation = self.param(&format!("{name}.modulation"));
        let row = |index: usize| -> Vec<f64> {
            (0..dim).map(|i| modulation[index * dim + i] + time[index * dim + i]).collect()
        };
        let a = modulated(&norm(&x, eps), &row(0), &row(1));
        let attended = self.attention(&format!("{name}.self_attn"), &a, &a, Some(grid), None);
        add(&mut x, &attended, Some(&row(2)));
        let a = self.affine_norm(&format!("{name}.norm3"), &x, eps);
        let attended = self.attention(&format!("{name}.cross_attn"), &a, text, None, image);
        add(&mut x, &attended, None);
        let a = modulated(&norm(&x, eps), &row(3), &row(4));
        let fed = self.mlp(&format!("{name}.ffn.0"), gelu_tanh, &format!("{name}.ffn.2"), &a);
        add(&mut x, &fed, Some(&row(5)));
        x
    }

    fn attention(&self, name: &str, x: &Rows, source: &Rows, grid: Option<[usize; 3]>, image: Option<&Rows>) -> Rows {
        let normed = |projection: &str, x: &Rows| {
            let gain = self.param(&format!("{name}.norm_{projection}.weight"));
            let mut rows = self.linear(&format!("{name}.{projection}"), x);
            for row in &mut rows {
                let square = row.iter().map(|value| value * value).sum::<f64>() / row.len() as f64;
                let scale = (square + self.spec.eps).sqrt().recip();
                row.iter_mut().zip(&gain).for_each(|(value, gain)| *value *= scale * gain);
            }
            if let Some(grid) = grid {
                self.rotate(&mut rows, grid);
            }
            rows
        };
        let values = |projection: &str, x: &Rows| self.linear(&format!("{name}.{projection}"), x);
        let q = normed("q", x);
        let mut attended = self.attend(&q, &normed("k", source), &values("v", source));
        if let Some(image) = image {
            let of_image = self.attend(&q, &normed("k_img", image), &values("v_img", image));
            add(&mut attended, &of_image, None);
        }
        self.linear(&format!("{name}.o"), &attended)
    }

    fn attend(&self, q: &Rows, k: &Rows, v: &Rows) -> Rows {
        let width = self.spec.head_dim();
        let mut out = vec![vec![0.0; self.spec.dim]; q.len()];
        for head in 0..self.spec.num_heads {
            let span = head * width..(head + 1) * width;
            for (query, out) in q.iter().zip(&mut out) {
                let dot = |key: &Vec<f64>| -> f64 {
                    query[span.clone()].iter().zip(&key[span.clone()]).map(|(a, b)| a * b).sum()
                };
                let scores: Vec<f64> = k.iter().map(|key| dot(key) / (width as f64).sqrt()).collect();
                let most = scores.iter().copied().fold(f64::MIN, f64::max);
                let weights: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
                let sum: f64 = weights.iter().sum();
                for (weight, value) in weights.iter().zip(v) {
                    for feature in span.clone() {
                        out[feature] += weight / sum * value[feature];
                    }
                }
            }
        }
        out
    }

    /// Turns each pair of features by its position along one axis.
    fn rotate(&self, rows: &mut Rows, [_, height, width]: [usize; 3]) {
        let pairs = self.spec.head_dim() / 2;
        let third = pairs / 3;
        let axes = [pairs - 2 * third, third, third];
        for (token, row) in rows.iter_mut().enumerate() {
            let position = [token / (height * width), token / width % height, token % width];
            let angles: Vec<f64> = (0..3)
                .flat_map(|axis| {
                    let angle = move |i: usize| position[axis] as f64 * 10_000f64.powf(-(i as f64) / axes[axis] as f64);
                    (0..axes[axis]).map(angle)
                })
                .collect();
            for (index, pair) in row.chunks_exact_mut(2).enumerate() {
                let (sin, cos) = angles[index % pairs].sin_cos();
                (pair[0], pair[1]) = (pair[0] * cos - pair[1] * sin, pair[0] * sin + pair[1] * cos);
            }
        }
    }

    fn mlp(&self, first: &str, activation: fn(f64) -> f64, second: &str, x: &Rows) -> Rows {
        self.linear(second, &map(&self.linear(first, x), activation))
    }

    fn linear(&self, name: &str, x: &Rows) -> Rows {
        let (weight, bias) = (self.param(&format!("{name}.weight")), self.param(&format!("{name}.bias")));
        let width = x[0].len();
        let row = |x: &Vec<f64>| {
            let out = bias.iter().enumerate();
            out.map(|(o, bias)| bias + x.iter().zip(&weight[o * width..]).map(|(x, w)| x * w).sum::<f64>()).collect()
        };
        x.iter().map(row).collect()
    }

    fn affine_norm(&self, name: &str, x: &Rows, eps: f64) -> Rows {
        let (gain, bias) = (self.param(&format!("{name}.weight")), self.param(&format!("{name}.bias")));
        let gain: Vec<f64> = gain.iter().map(|gain| gain - 1.0).collect();
        modulated(&norm(x, eps), &bias, &gain)
    }

    fn param(&self, name: &str) -> Vec<f64> {
        let values = self.checkpoint.tensor(name).unwrap_or_else(|| panic!("no {name}")).to_f32().unwrap();
        values.into_iter().map(f64::from).collect()
    }

    /// Features in (channel, patch) order, tokens in (frame, row, column) order.
    fn patches(&self, latent: &[&HostTensor], [frames, height, width]: [usize; 3], grid: [usize; 3]) -> Rows {
        let [pt, ph, pw] = self.spec.patch_size;
        let mut tokens = Vec::new();
        for (f, h, w) in cells(grid) {
            let mut token = Vec::new();
            for tensor in latent {
                for channel in 0..tensor.shape[0] {
                    for (t, y, x) in cells([pt, ph, pw]) {
                        let at = ((channel * frames + f * pt + t) * height + h * ph + y) * width + w * pw + x;
                        token.push(f64::from(tensor.data[at]));
                    }
                }
            }
            tokens.push(token);
        }
        tokens
    }

    fn unpatched(&self, tokens: &Rows, [frames, height, width]: [usize; 3], grid: [usize; 3]) -> Vec<f64> {
        let ([pt, ph, pw], channels) = (self.spec.patch_size, self.spec.out_dim);
        let mut v = vec![0.0; channels * frames * height * width];
        for ((f, h, w), token) in cells(grid).into_iter().zip(tokens) {
            for ((t, y, x), features) in cells([pt, ph, pw]).into_iter().zip(token.chunks_exact(channels)) {
                for (channel, value) in features.iter().enumerate() {
                    v[((channel * frames + f * pt + t) * height + h * ph + y) * width + w * pw + x] = *value;
                }
            }
        }
        v
    }
}

fn cells([a, b, c]: [usize; 3]) -> Vec<(usize, usize, usize)> {
    (0..a).flat_map(|i| (0..b).flat_map(move |j| (0..c).map(move |k| (i, j, k)))).collect()
}

fn rows(data: &[f32], width: usize) -> Rows {
    data.chunks_exact(width).map(|row| row.iter().copied().map(f64::from).collect()).collect()
}

fn map(x: &Rows, function: fn(f64) -> f64) -> Rows {
    x.iter().map(|row| row.iter().copied().map(function).collect()).collect()
}

fn add(x: &mut Rows, other: &Rows, gate: Option<&[f64]>) {
    for (row, other) in x.iter_mut().zip(other) {
        for (index, value) in row.iter_mut().enumerate() {
            *value += other[index] * gate.map_or(1.0, |gate| gate[index]);
        }
    }
}

/// To mean 0 and variance 1.
fn norm(x: &Rows, eps: f64) -> Rows {
    let row = |row: &Vec<f64>| {
        let mean = row.iter().sum::<f64>() / row.len() as f64;
        let variance = row.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / row.len() as f64;
        row.iter().map(|value| (value - mean) / (variance + eps).sqrt()).collect()
    };
    x.iter().map(row).collect()
}

/// x · (1 + scale) + shift
fn modulated(x: &Rows, shift: &[f64], scale: &[f64]) -> Rows {
    let row = |row: &Vec<f64>| row.iter().enumerate().map(|(i, value)| value * (1.0 + scale[i]) + shift[i]).collect();
    x.iter().map(row).collect()
}

fn sinusoid(t: f64, width: usize) -> Vec<f64> {
    let half = width / 2;
    let angles = (0..half).map(|i| t * 10_000f64.powf(-(i as f64) / half as f64));
    angles.clone().map(f64::cos).chain(angles.map(f64::sin)).collect()
}

fn silu(x: f64) -> f64 {
    x / (1.0 + (-x).exp())
}

fn gelu_tanh(x: f64) -> f64 {
    0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh())
}

fn gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2))
}

/// ‖output − reference‖ / ‖reference‖
pub fn relative_error(output: &[f32], reference: &[f64]) -> f64 {
    assert_eq!(output.len(), reference.len());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let difference = norm(&mut output.iter().zip(reference).map(|(a, b)| f64::from(*a) - b));
    difference / norm(&mut reference.iter().copied())
}
