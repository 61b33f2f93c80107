//! What holds for every input, whatever it is: fuzz targets, saved inputs and generated ones are
//! all held to these.

use image_factory::dockerfile::{self, Bases, Options};
use image_factory::reference::ImageReference;

/// Any bytes as a Dockerfile: it is answered, every place is in the text, and nothing depends on
/// how lines end.
///
/// # Panics
/// Where one of that does not hold.
pub fn dockerfile(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let options = Options::default();
    let bases = dockerfile::bases("Dockerfile", &text, &options);
    places_are_in_the_text(&text, &bases);
    assert_eq!(dockerfile::bases("Dockerfile", &text, &options), bases, "asked twice: {text:?}");
    if bases.diagnostics.has_errors() {
        assert!(bases.images.is_empty(), "images beside an error: {text:?}");
    }
    if may_end_lines_otherwise(&text) {
        let other = text.replace('\n', "\r\n");
        let other = dockerfile::bases("Dockerfile", &other, &options);
        let codes = |bases: &Bases| -> Vec<(String, u32)> {
            let found = bases.diagnostics.0.iter();
            found.map(|d| (d.code.clone(), d.location.as_ref().map_or(0, |place| place.line))).collect()
        };
        assert_eq!(codes(&other), codes(&bases), "with other line ends: {text:?}");
        assert_eq!(other.images, bases.images, "with other line ends: {text:?}");
    }
}

/// Any bytes as an image reference: it is answered, and what is printed is read again.
///
/// # Panics
/// Where one of that does not hold.
pub fn reference(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(found) = ImageReference::parse(&text) else { return };
    let again = ImageReference::parse(&found.normalized()).expect("what we print can be read");
    assert_eq!(again.normalized(), found.normalized(), "{text:?}");
    // The odd name with an empty registry has none to print, so only others come back whole.
    if !found.registry().is_empty() {
        assert_eq!(ImageReference::parse(&found.familiar()), Ok(found), "{text:?}");
    }
}

/// A carriage return counts in the middle of a line, and a line may be as long as BuildKit reads.
fn may_end_lines_otherwise(text: &str) -> bool {
    !text.contains('\r') && text.split('\n').all(|line| line.len() < 65_000)
}

fn places_are_in_the_text(text: &str, bases: &Bases) {
    let lines: Vec<&str> = text.split('\n').collect();
    let check = |line: u32, column: u32, length: u32| {
        let line = lines.get(line as usize - 1).unwrap_or_else(|| panic!("no line {line}: {text:?}"));
        let width = line.chars().count();
        let end = column as usize + length as usize;
        // An empty line, or the end of one, still has room for one caret.
        assert!(column >= 1 && end <= width.max(column as usize) + 1, "column {column}+{length}: {text:?}");
    };
    for diagnostic in &bases.diagnostics.0 {
        assert!(diagnostic.code.len() == 6 && diagnostic.code.starts_with("IF"), "{diagnostic:?}");
        let message = &diagnostic.message;
        assert!(!message.is_empty() && !message.ends_with('.'), "{message:?}");
        if let Some(place) = diagnostic.location.as_ref().filter(|place| place.line > 0) {
            check(place.line, place.column, place.length);
        }
    }
    for unresolved in &bases.unresolved {
        check(unresolved.location.line, unresolved.location.column, unresolved.location.length);
    }
    for image in &bases.images {
        for (line, column) in &image.places {
            check(*line, *column, 1);
        }
        let printed = image.reference.normalized();
        let again = ImageReference::parse(&printed).map(|again| again.normalized());
        assert_eq!(again, Ok(printed), "an image's reference can be read");
    }
}
