//! Safetensors files: every tensor of an accepted header lies in the file, with as many bytes as its shape says.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use wanbench::wan::DType;
use wanbench::wan::Spec;
use wanbench::wan::quant::Quant;
use wanbench::wan::quantized::tensors;
use wanbench::wan::tensor_file::TensorFile;
use wanbench_fuzz::FILE;

fuzz_target!(|bytes: &[u8]| {
    let Ok(file) = TensorFile::parse(bytes, Path::new(FILE)) else { return };
    for name in file.names() {
        let view = file.tensor(&name).expect("it is named");
        let elements: usize = view.shape.iter().product();
        assert_eq!(view.data.len() * 8, elements * view.dtype.bitsize());
        if let Some(values) = view.to_f32() {
            assert_eq!(values.len(), elements);
        }
        file.release(&name);
    }
    let layout = Quant::Int8.layout().expect("it packs");
    let _ = file.check(Path::new(FILE), tensors(&Spec::synthetic(), layout, DType::F32));
});
