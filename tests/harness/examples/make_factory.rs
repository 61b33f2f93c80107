//! Writes a factory of a given size: `make_factory DIR IMAGES`.

use std::path::Path;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, images] = arguments.as_slice() else {
        eprintln!("usage: make_factory DIR IMAGES");
        std::process::exit(2);
    };
    let images = images.parse().expect("IMAGES is a number");
    image_factory_harness::write_tree(Path::new(folder), &image_factory_harness::synthetic::factory(images));
}
