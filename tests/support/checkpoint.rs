//! Checkpoints of any size and dtype, in shards, written without holding them in memory.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use safetensors::tensor::{Dtype, View};
use wanbench::wan::Spec;
use wanbench::wan::params::{Param, Role, params};

/// Writes a checkpoint of `spec` into `folder`, in so many shards of about the same size; another `seed`, other weights.
pub fn write(folder: &Path, spec: &Spec, dtype: Dtype, shards: usize, seed: u64) {
    std::fs::create_dir_all(folder).unwrap();
    let params = params(spec);
    let total: usize = params.iter().map(Param::len).sum();
    let mut groups: Vec<Vec<Tensor>> = (0..shards).map(|_| Vec::new()).collect();
    let mut before = 0;
    for (number, param) in params.into_iter().enumerate() {
        let seed = (seed << 32) + number as u64;
        groups[before * shards / total].push(Tensor { seed, dtype, param: param.clone() });
        before += param.len();
    }
    let mut index: BTreeMap<String, String> = BTreeMap::new();
    for (number, group) in groups.into_iter().enumerate() {
        let name = match shards {
            1 => "diffusion_pytorch_model.safetensors".to_owned(),
            _ => format!("diffusion_pytorch_model-{:05}-of-{shards:05}.safetensors", number + 1),
        };
        index.extend(group.iter().map(|tensor| (tensor.param.name.clone(), name.clone())));
        let views = group.into_iter().map(|tensor| (tensor.param.name.clone(), tensor));
        safetensors::serialize_to_file(views, None, &folder.join(name)).unwrap();
    }
    if shards > 1 {
        let index = serde_json::json!({ "weight_map": index });
        std::fs::write(folder.join("diffusion_pytorch_model.safetensors.index.json"), index.to_string()).unwrap();
    }
    std::fs::write(folder.join("config.json"), serde_json::to_string(spec).unwrap()).unwrap();
}

/// Writes what `wanbench` sees of an f32 checkpoint before anything is loaded: whole files, of which only the headers are
/// stored.
pub fn write_headers(folder: &Path, spec: &Spec) {
    std::fs::create_dir_all(folder).unwrap();
    let (mut header, mut end) = (serde_json::Map::new(), 0);
    for param in params(spec) {
        let offsets = [end, end + 4 * param.len()];
        end = offsets[1];
        let entry = serde_json::json!({ "dtype": "F32", "shape": param.shape, "data_offsets": offsets });
        header.insert(param.name, entry);
    }
    let header = serde_json::to_vec(&header).unwrap();
    let mut file = std::fs::File::create(folder.join("diffusion_pytorch_model.safetensors")).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(&header).unwrap();
    file.set_len((8 + header.len() + end) as u64).unwrap();
    std::fs::write(folder.join("config.json"), serde_json::to_string(spec).unwrap()).unwrap();
}

/// A tensor that is computed when it is written.
struct Tensor {
    seed: u64,
    dtype: Dtype,
    param: Param,
}

impl Tensor {
    /// Even values that keep activations of order one through any depth.
    fn values(&self) -> impl Iterator<Item = f32> {
        let fan_in: usize = self.param.shape[1..].iter().product();
        let (centre, half) = match self.param.role {
            Role::Weight => (0.0, (3.0 / fan_in as f32).sqrt()),
            Role::Bias | Role::Modulation => (0.0, 0.03),
            Role::Gain => (1.0, 0.03),
        };
        let mut random = Pcg64Mcg::seed_from_u64(self.seed);
        (0..self.param.len()).map(move |_| centre + half * (2.0 * random.random::<f32>() - 1.0))
    }
}

impl View for Tensor {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.param.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        match self.dtype {
            Dtype::F16 => self.values().flat_map(|value| half::f16::from_f32(value).to_le_bytes()).collect(),
            Dtype::BF16 => self.values().flat_map(|value| half::bf16::from_f32(value).to_le_bytes()).collect(),
            _ => {
                let mut bytes = Vec::with_capacity(self.data_len());
                self.values().for_each(|value| bytes.extend(value.to_le_bytes()));
                bytes.into()
            }
        }
    }
    fn data_len(&self) -> usize {
        self.param.len() * self.dtype.bitsize() / 8
    }
}

/// diffusers' name for one of Wan's.
pub fn in_diffusers(name: &str) -> String {
    if name == "head.modulation" {
        return "scale_shift_table".to_owned();
    }
    let pairs = [
        ("time_embedding.0", "condition_embedder.time_embedder.linear_1"),
        ("time_embedding.2", "condition_embedder.time_embedder.linear_2"),
        ("time_projection.1", "condition_embedder.time_proj"),
        ("text_embedding.0", "condition_embedder.text_embedder.linear_1"),
        ("text_embedding.2", "condition_embedder.text_embedder.linear_2"),
        ("img_emb.proj.0", "condition_embedder.image_embedder.norm1"),
        ("img_emb.proj.1", "condition_embedder.image_embedder.ff.net.0.proj"),
        ("img_emb.proj.3", "condition_embedder.image_embedder.ff.net.2"),
        ("img_emb.proj.4", "condition_embedder.image_embedder.norm2"),
        ("head.head", "proj_out"),
        (".self_attn.", ".attn1."),
        (".cross_attn.", ".attn2."),
        (".q.", ".to_q."),
        (".k.", ".to_k."),
        (".v.", ".to_v."),
        (".o.", ".to_out.0."),
        (".k_img.", ".add_k_proj."),
        (".v_img.", ".add_v_proj."),
        (".norm_k_img.", ".norm_added_k."),
        (".ffn.0.", ".ffn.net.0.proj."),
        (".ffn.2.", ".ffn.net.2."),
        (".norm3.", ".norm2."),
        (".modulation", ".scale_shift_table"),
    ];
    pairs.iter().fold(name.to_owned(), |name, (ours, theirs)| name.replace(ours, theirs))
}
