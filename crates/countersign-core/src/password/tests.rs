//! The schemes, against vectors, against another implementation, and against nonsense.

use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::{
    Argon2Cost, Password, PasswordHash, PasswordProblem, UnsupportedHash, argon2, bcrypt, check_supported,
    scheme::Stored, stored::Comparison,
};

const REFERENCE: &str = include_str!("../../tests/it/vectors/argon2_reference.tsv");
const VALID: &str = include_str!("../../tests/it/vectors/password_hashes.tsv");
const MALFORMED: &str = include_str!("../../tests/it/vectors/malformed_hashes.txt");

fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    table.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect())
}

fn hasher() -> argon2::Hasher {
    argon2::Hasher::new(Argon2Cost::weak_for_tests())
}

fn compare(typed: &str, hash: &str) -> Result<Comparison, UnsupportedHash> {
    let password = Password::typed(typed).expect("a password");
    let stored = Stored::parse(&PasswordHash::new(hash))?;
    Ok(stored.compare(&password, &mut hasher()).expect("memory"))
}

#[test]
fn d1_a_weaker_cost_than_owasps_cannot_be_asked_for() {
    for (memory_kib, passes, lanes) in
        [(19_455, 2, 1), (19_456, 1, 1), (47_103, 1, 1), (7_167, 16, 1), (0, 2, 1), (19_456, 0, 1), (19_456, 2, 0)]
    {
        assert!(Argon2Cost::new(memory_kib, passes, lanes).is_err(), "m={memory_kib},t={passes},p={lanes}");
    }
    for (memory_kib, passes, lanes) in [(262_145, 2, 1), (19_456, 17, 1), (19_456, 2, 17), (262_144, 5, 1)] {
        assert!(Argon2Cost::new(memory_kib, passes, lanes).is_err(), "m={memory_kib},t={passes},p={lanes}");
    }
    for (memory_kib, passes, lanes) in [(19_456, 2, 1), (47_104, 1, 1), (12_288, 3, 1), (65_536, 3, 4)] {
        assert!(Argon2Cost::new(memory_kib, passes, lanes).is_ok(), "m={memory_kib},t={passes},p={lanes}");
    }
    assert_eq!(Argon2Cost::new(19_456, 2, 1), Ok(Argon2Cost::OWASP));
    assert_eq!(Argon2Cost::default(), Argon2Cost::OWASP);
}

#[test]
fn d2_the_reference_vectors_verify() {
    let mut verified = 0;
    for row in rows(REFERENCE) {
        let [password, hash] = row[..] else { panic!("{row:?}") };
        if hash.contains("m=1048576") {
            let bound = "at most 256 MiB of memory";
            assert_eq!(compare(password, hash), Err(UnsupportedHash::OutOfBounds { scheme: "Argon2", bound }));
        } else {
            assert_eq!(compare(password, hash), Ok(Comparison::Equal), "{hash}");
            assert_eq!(compare("Password", hash), Ok(Comparison::Different), "{hash}");
            verified += 1;
        }
    }
    assert_eq!(verified, 24);
}

#[test]
fn d2_another_implementation_computes_the_same() {
    use ::argon2::{Algorithm, Argon2, Params, Version};

    // Bytes that look random, the same in every run.
    let mut counter = 0_u32;
    let mut random = move || {
        counter += 1;
        Sha256::digest(counter.to_be_bytes())
    };
    for round in 0..300 {
        let bytes = random();
        let (kind, algorithm) = [("d", Algorithm::Argon2d), ("i", Algorithm::Argon2i), ("id", Algorithm::Argon2id)]
            [usize::from(bytes[0]) % 3];
        let (number, version) = [(16, Version::V0x10), (19, Version::V0x13)][usize::from(bytes[1]) % 2];
        let lanes = u32::from(bytes[2]) % 4 + 1;
        let passes = u32::from(bytes[3]) % 4 + 1;
        let memory_kib = 8 * lanes + u32::from(bytes[4]) * (round % 5);
        let salt = &random()[..8 + usize::from(bytes[5]) % 25];
        let password: String = (0..=bytes[6] % 8).map(|_| char::from(b'a' + random()[0] % 26)).collect();
        let mut tag = vec![0; 16 + usize::from(bytes[7]) % 49];
        let params = Params::new(memory_kib, passes, lanes, Some(tag.len())).expect("parameters");
        Argon2::new(algorithm, version, params)
            .hash_password_into(password.as_bytes(), salt, &mut tag)
            .expect("a hash");
        let encode = |bytes: &[u8]| argon2_rust::encode_base64(bytes).expect("short");
        let (salt, tag) = (encode(salt), encode(&tag));
        let hash = format!("$argon2{kind}$v={number}$m={memory_kib},t={passes},p={lanes}${salt}${tag}");
        assert_eq!(compare(&password, &hash), Ok(Comparison::Equal), "{password} {hash}");
    }
}

#[test]
fn d2_reused_memory_does_not_change_a_hash() {
    let mut kept = hasher();
    let salt = &[7; argon2::SALT_BYTES];
    for typed in ["first", "second", "third"] {
        let hash = kept.hash(typed.as_bytes(), salt).expect("memory");
        assert_eq!(hash, hasher().hash(typed.as_bytes(), salt).expect("memory"));
        assert_eq!(compare(typed, hash.secret()), Ok(Comparison::Equal));
        assert_eq!(compare("other", hash.secret()), Ok(Comparison::Different));
    }
}

#[test]
fn d5_hashes_of_every_scheme_and_spelling_verify() {
    let mut verified = 0;
    for row in rows(VALID) {
        let [source, password, hash] = row[..] else { panic!("{row:?}") };
        assert_eq!(check_supported(&PasswordHash::new(hash)), Ok(()), "{source}: {hash}");
        assert_eq!(compare(password, hash), Ok(Comparison::Equal), "{source}: {password} {hash}");
        assert_eq!(compare(&password.replacen(|_| true, "Q", 1), hash), Ok(Comparison::Different), "{source}: {hash}");
        verified += 1;
    }
    assert!(verified >= 200, "{verified} rows");
}

#[test]
fn d5_the_phc_spelling_of_pbkdf2_verifies() {
    for costs in ["1212", "i=1212", "i=1212,l=32"] {
        let salt_and_tag = "4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg+fJPeq1h/gXXY7acBp9/6c+tmQ";
        assert_eq!(compare("password", &format!("$pbkdf2-sha256${costs}${salt_and_tag}")), Ok(Comparison::Equal));
    }
}

#[test]
fn d5_the_sign_extension_bug_of_2x_is_computed_as_it_was() {
    // The vectors of crypt_blowfish 1.3 (wrapper.c, public domain); such passwords need not be UTF-8.
    for (password, hash) in [
        (&b"\xa3"[..], "$2x$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e"),
        (b"\xff\xff\xa3", "$2x$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e"),
        (b"\xff\xff\xa3", "$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e"),
        (b"\xa3", "$2y$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq"),
        (b"\xd1\x91", "$2x$05$6bNw2HLQYeqHYyBfLMsv/OiwqTymGIGzFsA4hOTWebfehXHNprcAS"),
        (b"\xd0\xc1\xd2\xcf\xcc\xd8", "$2x$05$6bNw2HLQYeqHYyBfLMsv/O9LIGgn8OMzuDoHfof8AQimSGfcSWxnS"),
        (&[0xaa; 72], "$2a$05$/OK.fbVrR/bpIqNJ5ianF.swQOIzjOiJ9GHEPuhEkvqrUyvWhEMx6"),
        (&b"\xaa\x55".repeat(36), "$2a$05$/OK.fbVrR/bpIqNJ5ianF.R9xrDjiycxMbQE2bp.vgqlYpW5wx2yy"),
    ] {
        let stored = bcrypt::Stored::parse(hash).expect("well formed");
        assert_eq!(stored.compare(password), Comparison::Equal, "{password:x?} {hash}");
    }
}

#[test]
fn d5_junk_in_the_unused_bits_of_a_bcrypt_salt_is_ignored() {
    // As in every bcrypt: `u` and `v` at the end of this salt differ in bits that no byte has.
    let tag = "5s2v8.iXieOjg/.AySBTTZIIVFJeBui";
    let seventy_two = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    for last in ["u", "v", "9"] {
        let hash = format!("$2a$05$abcdefghijklmnopqrstu{last}{tag}");
        assert_eq!(compare(seventy_two, &hash), Ok(Comparison::Equal), "{hash}");
    }
}

#[test]
fn d5_malformed_hashes_are_refused_in_words_that_do_not_tell_them() {
    let mut refused = 0;
    for hash in MALFORMED.lines().filter(|line| !line.starts_with('#')) {
        let reason = check_supported(&PasswordHash::new(hash)).expect_err(hash).to_string();
        let secret_parts = hash.split('$').filter(|part| part.len() >= 12);
        assert!(secret_parts.clone().all(|part| !reason.contains(part)), "{hash}: {reason}");
        refused += 1;
    }
    assert!(refused >= 54, "{refused} hashes");
    assert!(check_supported(&PasswordHash::new("")).is_err());
    assert!(check_supported(&PasswordHash::new("$argon2id$".repeat(1_000))).is_err());
}

#[test]
fn d5_no_truncated_hash_verifies() {
    for hash in rows(VALID).map(|row| row[2]) {
        for length in 0..hash.len() {
            let truncated = PasswordHash::new(&hash[..length]);
            // What still parses is an Argon2 tag of another length, and that must not match.
            if check_supported(&truncated).is_ok() {
                assert_ne!(compare("correct horse battery staple", &hash[..length]), Ok(Comparison::Equal), "{hash}");
            }
        }
    }
}

proptest! {
    #[test]
    fn d5_no_string_makes_the_parsers_panic(hash in ".*", prefix in prop::sample::select(&["", "$argon2id$v=19$m=64,t=1,p=1$", "$2b$04$", "$scrypt$ln=4,r=8,p=1$", "scrypt:", "pbkdf2_sha256$", "$pbkdf2-sha256$", "bcrypt$"][..])) {
        let _ = check_supported(&PasswordHash::new(format!("{prefix}{hash}")));
    }

    #[test]
    fn d5_no_mutated_hash_makes_a_comparison_panic(row in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), new in any::<char>()) {
        let valid: Vec<_> = rows(VALID).map(|row| row[2]).filter(|hash| !hash.contains("ln=14")).collect();
        let mut hash: Vec<char> = row.get(&valid).chars().collect();
        let at = at.index(hash.len());
        hash[at] = if new.is_ascii_graphic() { new } else { char::from(b'!' + u8::try_from(u32::from(new) % 94).expect("small")) };
        let stored = Stored::parse(&PasswordHash::new(hash.into_iter().collect::<String>()));
        // A mutated cost may be dear; the tests of bounds show that it is bounded, and here it would only take time.
        if let Ok(stored @ (Stored::Pbkdf2(_) | Stored::Bcrypt(_))) = &stored && at > 8 {
            let _ = stored.compare(&Password::typed("x").expect("a password"), &mut hasher());
        }
    }

    #[test]
    fn d8_preparation_is_stable(input in "\\PC{0,20}") {
        if let Ok(password) = Password::typed(&input) {
            let again = Password::typed(password.secret());
            prop_assert_eq!(again.as_ref().map(Password::secret), Ok(password.secret()));
        }
    }
}

#[test]
fn d6_bcrypt_takes_72_bytes_and_refuses_73() {
    let hash = ::bcrypt::hash_with_salt("a".repeat(72), 4, [1; 16]).expect("a hash").to_string();
    assert_eq!(compare(&"a".repeat(72), &hash), Ok(Comparison::Equal));
    assert_eq!(compare(&"a".repeat(71), &hash), Ok(Comparison::Different));
    assert_eq!(compare(&"a".repeat(73), &hash), Ok(Comparison::NotComputed));
    assert_eq!(compare(&format!("{}é", "a".repeat(71)), &hash), Ok(Comparison::NotComputed), "bytes, not characters");
    let hash = hash.replace("$2b$", "$2x$");
    assert_eq!(compare(&"a".repeat(73), &hash), Ok(Comparison::NotComputed));
}

#[test]
fn d9_an_overlong_password_is_refused_before_anything_else() {
    assert_eq!(Password::typed(&"a".repeat(1 << 20)).expect_err("too long"), PasswordProblem::TooLong);
    assert_eq!(Password::typed(&"\0".repeat(1025)).expect_err("too long"), PasswordProblem::TooLong);
    assert_eq!(Password::typed(&"a".repeat(1024)).expect("a password").secret().len(), 1024);
    // Each of these becomes two characters by NFC (a composition exclusion), and the bound holds for the result too.
    assert_eq!(Password::typed(&"\u{958}".repeat(341)).expect_err("too long"), PasswordProblem::TooLong);
    assert_eq!(Password::typed("").expect_err("empty"), PasswordProblem::Empty);
}

#[test]
fn d23_costs_out_of_bounds_are_refused_before_any_memory_is_asked_for() {
    for (hash, words) in [
        ("$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$QWLzI4TY9HkL2ZTLc8g6SinwdhZewYrzz9zxCo0bkGY", "at most 256 MiB"),
        ("$argon2id$v=19$m=64,t=17,p=1$c29tZXNhbHQ$QWLzI4TY9HkL2ZTLc8g6SinwdhZewYrzz9zxCo0bkGY", "at most 16 passes"),
        ("$argon2id$v=19$m=262144,t=5,p=1$c29tZXNhbHQ$QWLzI4TY9HkL2ZTLc8g6SinwdhZewYrzz9zxCo0bkGY", "at most 1 GiB"),
        ("$2b$31$n4Uy0eSnMfvnESYL.bLwuuj0U/ETSsoTpRT9GVk05bektyVVa5xnI", "cost of 4 to 16"),
        ("$2b$17$n4Uy0eSnMfvnESYL.bLwuuj0U/ETSsoTpRT9GVk05bektyVVa5xnI", "cost of 4 to 16"),
        ("$scrypt$ln=25,r=8,p=1$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI", "at most 256 MiB"),
        ("$scrypt$ln=17,r=8,p=9$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI", "at most 1 GiB"),
        ("pbkdf2_sha256$5000001$salt$5yPHw3rwJGECpUf70daLGhOrQ5+AMxIJdz1c3bqK1Rs=", "5,000,000 iterations"),
    ] {
        let refused = check_supported(&PasswordHash::new(hash)).expect_err(hash);
        assert!(matches!(refused, UnsupportedHash::OutOfBounds { .. }), "{hash}: {refused:?}");
        assert!(refused.to_string().contains(words), "{hash}: {refused}");
    }
}
