//! Projections of the same rows: their weights lie below one another in one array, so that one product computes them all.

/// The stacks of a block, by the end of their name, with what is in them from the top down; all parts have as many rows.
const STACKS: [(&str, &[&str]); 3] = [
    ("self_attn.qkv", &["self_attn.q", "self_attn.k", "self_attn.v"]),
    ("cross_attn.kv", &["cross_attn.k", "cross_attn.v"]),
    ("cross_attn.kv_img", &["cross_attn.k_img", "cross_attn.v_img"]),
];

/// Where a parameter lies that is part of a stack.
#[derive(Debug, PartialEq)]
pub struct Place {
    /// Name of the stack's parameter.
    pub stack: String,
    /// The checkpoint's names of all its parts, from the top down.
    pub parts: Vec<String>,
    /// Which of them it is.
    pub index: usize,
}

/// The place of the parameter `name`, such as `blocks.0.self_attn.k.weight`, if it is part of a stack.
pub fn place(name: &str) -> Option<Place> {
    let (layer, kind) = name.rsplit_once('.')?;
    STACKS.into_iter().find_map(|(stack, parts)| {
        let index = parts.iter().position(|part| layer.ends_with(&format!(".{part}")))?;
        let block = &layer[..layer.len() - parts[index].len()];
        let full = |end: &str| format!("{block}{end}.{kind}");
        Some(Place { stack: full(stack), parts: parts.iter().map(|part| full(part)).collect(), index })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projections_of_the_same_rows_are_stacked() {
        let of_k = place("blocks.12.cross_attn.k.bias").unwrap();
        let parts = ["blocks.12.cross_attn.k.bias", "blocks.12.cross_attn.v.bias"].map(str::to_owned);
        assert_eq!(of_k, Place { stack: "blocks.12.cross_attn.kv.bias".into(), parts: parts.into(), index: 0 });
        assert_eq!(place("blocks.0.self_attn.v.weight").unwrap().index, 2);
        for alone in ["blocks.0.cross_attn.q.weight", "blocks.0.self_attn.norm_k.weight", "blocks.0.self_attn.o.bias"] {
            assert_eq!(place(alone), None, "{alone}");
        }
    }
}
