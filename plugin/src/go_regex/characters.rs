//! Sets of ASCII characters, and the classes that Go names.

use std::fmt;

/// Characters as bits: what an atom matches of ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Set(u128);

impl Set {
    pub(super) const NONE: Set = Set(0);
    pub(super) const ALL: Set = Set(u128::MAX);
    pub(super) const NEWLINE: Set = Set(1 << b'\n');
    pub(super) const UPPER: Set = Set::of(&[(b'A', b'Z')]);
    pub(super) const LOWER: Set = Set::of(&[(b'a', b'z')]);
    pub(super) const ALPHA: Set = Set::of(&[(b'A', b'Z'), (b'a', b'z')]);
    pub(super) const DIGIT: Set = Set::of(&[(b'0', b'9')]);
    pub(super) const ALNUM: Set = Set::of(&[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')]);
    pub(super) const WORD: Set = Set::of(&[(b'0', b'9'), (b'A', b'Z'), (b'_', b'_'), (b'a', b'z')]);
    pub(super) const CONTROL: Set = Set::of(&[(0, 0x1f), (0x7f, 0x7f)]);

    pub(super) const fn of(ranges: &[(u8, u8)]) -> Set {
        let mut bits = 0;
        let mut i = 0;
        while i < ranges.len() {
            bits |= range(ranges[i].0, ranges[i].1);
            i += 1;
        }
        Set(bits)
    }

    pub(super) fn of_text(characters: &str) -> Set {
        Set(characters.bytes().fold(0, |bits, byte| bits | range(byte, byte)))
    }

    pub(super) fn or(self, other: Set) -> Set {
        Set(self.0 | other.0)
    }

    pub(super) fn and(self, other: Set) -> Set {
        Set(self.0 & other.0)
    }

    pub(super) fn not(self) -> Set {
        Set(!self.0)
    }

    /// With the other case of each letter.
    pub(super) fn folded(self) -> Set {
        const DISTANCE: u8 = b'a' - b'A';
        let upper = self.0 & Set::UPPER.0;
        let lower = self.0 & Set::LOWER.0;
        Set(self.0 | upper << DISTANCE | lower >> DISTANCE)
    }

    /// What of ASCII a range of code points matches.
    ///
    /// Beyond ASCII two code points fold into it: U+017F (long s) and U+212A (Kelvin sign).
    pub(super) fn of_code_points(low: u32, high: u32, fold: bool) -> Set {
        let set = match u8::try_from(low) {
            Ok(low) if low < 0x80 => Set(range(low, high.min(0x7f) as u8)),
            _ => Set::NONE,
        };
        if !fold {
            return set;
        }
        let within = |code_point: u32| low <= code_point && code_point <= high;
        let s = if within(0x17f) { Set::of_text("Ss") } else { Set::NONE };
        let k = if within(0x212a) { Set::of_text("Kk") } else { Set::NONE };
        set.folded().or(s).or(k)
    }

    /// Its one character, where it has just one.
    pub(super) fn single(self) -> Option<u8> {
        (self.0.count_ones() == 1).then(|| self.0.trailing_zeros() as u8)
    }
}

/// The bits `low` to `high`, both below 128.
const fn range(low: u8, high: u8) -> u128 {
    (u128::MAX >> (127 - high)) & (u128::MAX << low)
}

/// `[[:name:]]`.
pub(super) fn posix_class(name: &str) -> Option<Set> {
    Some(match name {
        "alnum" => Set::ALNUM,
        "alpha" => Set::ALPHA,
        "ascii" => Set::ALL,
        "blank" => Set::of_text("\t "),
        "cntrl" => Set::CONTROL,
        "digit" => Set::DIGIT,
        "graph" => Set::of(&[(b'!', b'~')]),
        "lower" => Set::LOWER,
        "print" => Set::of(&[(b' ', b'~')]),
        "punct" => Set::of(&[(b'!', b'/'), (b':', b'@'), (b'[', b'`'), (b'{', b'~')]),
        "space" => Set::of(&[(b'\t', b'\r'), (b' ', b' ')]),
        "upper" => Set::UPPER,
        "word" => Set::WORD,
        "xdigit" => Set::of(&[(b'0', b'9'), (b'A', b'F'), (b'a', b'f')]),
        _ => return None,
    })
}

/// `\d` and the like, by the letter.
pub(super) fn perl_class(letter: char) -> Option<Set> {
    let set = match letter.to_ascii_lowercase() {
        'd' => Set::DIGIT,
        's' => Set::of_text("\t\n\x0c\r "),
        'w' => Set::WORD,
        _ => return None,
    };
    Some(if letter.is_ascii_uppercase() { set.not() } else { set })
}

/// Scripts that hold no ASCII character, of those that Go 1.23 to 1.26 know by the same name.
const OTHER_SCRIPTS: &str = "Adlam Ahom Arabic Armenian Avestan Balinese Bamum Batak Bengali Bhaiksuki Bopomofo \
    Brahmi Braille Buginese Buhid Carian Chakma Cham Cherokee Chorasmian Coptic Cuneiform Cypriot Cyrillic Deseret \
    Devanagari Dogra Duployan Elbasan Elymaic Ethiopic Georgian Glagolitic Gothic Grantha Greek Gujarati Gurmukhi \
    Han Hangul Hanunoo Hatran Hebrew Hiragana Inherited Javanese Kaithi Kannada Katakana Kawi Kharoshthi Khmer \
    Khojki Khudawadi Lao Lepcha Limbu Lisu Lycian Lydian Mahajani Makasar Malayalam Mandaic Manichaean Marchen \
    Medefaidrin Miao Modi Mongolian Mro Multani Myanmar Nabataean Nandinagari Newa Nko Nushu Ogham Oriya Osage \
    Osmanya Palmyrene Phoenician Rejang Runic Samaritan Saurashtra Sharada Shavian Siddham Sinhala Sogdian Soyombo \
    Sundanese Syriac Tagalog Tagbanwa Takri Tamil Tangsa Tangut Telugu Thaana Thai Tibetan Tifinagh Tirhuta Toto \
    Ugaritic Vai Vithkuqi Wancho Yezidi Yi";

/// `\p{name}`: what of ASCII a Unicode category or script holds.
pub(super) fn unicode_class(name: &str) -> Option<Set> {
    Some(match name {
        "Any" => Set::ALL,
        "C" | "Cc" => Set::CONTROL,
        "L" | "Latin" => Set::ALPHA,
        "Ll" => Set::LOWER,
        "Lu" => Set::UPPER,
        "N" | "Nd" => Set::DIGIT,
        "P" => Set::of_text("!\"#%&'()*,-./:;?@[\\]_{}"),
        "Pc" => Set::of_text("_"),
        "Pd" => Set::of_text("-"),
        "Pe" => Set::of_text(")]}"),
        "Po" => Set::of_text("!\"#%&'*,./:;?@\\"),
        "Ps" => Set::of_text("([{"),
        "S" => Set::of_text("$+<=>^`|~"),
        "Sc" => Set::of_text("$"),
        "Sk" => Set::of_text("^`"),
        "Sm" => Set::of_text("+<=>|~"),
        "Z" | "Zs" => Set::of_text(" "),
        "Common" => Set::ALPHA.not(),
        "Cf" | "Co" | "Cs" | "Lm" | "Lo" | "Lt" | "M" | "Mc" | "Me" | "Mn" | "Nl" | "No" | "Pf" | "Pi"
        | "So" | "Zl" | "Zp" => Set::NONE,
        name if OTHER_SCRIPTS.split(' ').any(|script| script == name) => Set::NONE,
        _ => return None,
    })
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(character) = self.single() {
            return write!(f, r"\x{character:02X}");
        }
        if self.0 == 0 {
            return f.write_str(r"[^\x{0}-\x{10FFFF}]");
        }
        f.write_str("[")?;
        let mut rest = self.0;
        let mut low = 0;
        while rest != 0 {
            low += rest.trailing_zeros();
            rest = self.0 >> low;
            let high = low + rest.trailing_ones() - 1;
            write!(f, r"\x{low:02X}-\x{high:02X}")?;
            low = high + 1;
            rest = self.0.checked_shr(low).unwrap_or(0);
        }
        f.write_str("]")
    }
}
