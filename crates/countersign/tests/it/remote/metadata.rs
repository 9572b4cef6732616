//! What an issuer tells of itself: where it is found, and what of it is not believed.

use serde_json::{Value, json};

use super::support::{ISSUER, KEYS, Key, METADATA, OPENID, Place, RemoteApp, fetched, json_at, key_set};

fn key() -> Key {
    Key::new("first", 1)
}

#[tokio::test]
async fn c23_metadata_that_is_not_what_it_must_be_is_not_used() {
    let good = json!({ "issuer": ISSUER, "jwks_uri": KEYS });
    let with = |name: &str, value: Value| {
        let mut metadata = good.clone();
        metadata[name] = value;
        json_at(&metadata)
    };
    for (name, place) in [
        ("another issuer", with("issuer", json!("https://issuer.example.com.attacker.example"))),
        ("a slash more", with("issuer", json!("https://issuer.example.com/"))),
        ("other letters", with("issuer", json!("https://ISSUER.example.com"))),
        ("no issuer", with("issuer", json!(null))),
        ("no keys", with("jwks_uri", json!(null))),
        ("keys of a wrong type", with("jwks_uri", json!([KEYS]))),
        ("no object", json_at(&json!("issuer"))),
        (
            "a thing twice",
            fetched(
                200,
                "application/json",
                format!(r#"{{"issuer":"{ISSUER}","jwks_uri":"{KEYS}","issuer":"{ISSUER}"}}"#),
            ),
        ),
        ("too large", fetched(200, "application/json", format!("{good}{}", " ".repeat(64 * 1024)))),
        ("refuses", Place::Refuses),
    ] {
        let app = RemoteApp::new(&key()).await;
        app.network.put(METADATA, place);
        app.cannot_know(&key().token("")).await;
        assert_eq!(app.network.count(KEYS), 0, "{name}");
    }
}

#[tokio::test]
async fn c23_metadata_sends_nobody_where_only_this_machine_can_go() {
    for place in [
        "http://issuer.example.com/keys",
        "https://127.0.0.1/keys",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/keys",
        "https://[::1]/keys",
        "https://2130706433/keys",
        "https://localhost/keys",
        "https://user@issuer.example.com/keys",
        "file:///etc/passwd",
    ] {
        let app = RemoteApp::new(&key()).await;
        app.network.metadata(|metadata| metadata["jwks_uri"] = place.into());
        app.network.put(place, key_set(&[&key()]));
        app.cannot_know(&key().token("")).await;
        assert_eq!(app.network.count(place), 0, "{place}");
    }
}

#[tokio::test]
async fn metadata_is_found_where_openid_connect_has_it_too() {
    for elsewhere in [
        fetched(404, "text/plain", "nobody is here"),
        fetched(200, "text/html", "<html>the page of a single page app"),
        fetched(302, "", ""),
    ] {
        let app = RemoteApp::new(&key()).await;
        app.network.put(METADATA, elsewhere);
        app.network
            .put(OPENID, json_at(&json!({ "issuer": ISSUER, "jwks_uri": KEYS, "response_types_supported": [] })));
        app.accepts(&key().token("")).await;
        let asked: Vec<_> = app.network.asked().into_iter().map(|asked| asked.url).collect();
        assert_eq!(asked, [METADATA, OPENID, KEYS]);
    }
}

#[tokio::test]
async fn keys_that_moved_are_found() {
    let app = RemoteApp::new(&key()).await;
    app.accepts(&key().token("")).await;
    let (new, moved) = (Key::new("second", 2), "https://keys.example.com/new");
    app.network.metadata(|metadata| metadata["jwks_uri"] = moved.into());
    app.network.put(moved, key_set(&[&new]));
    app.accepts(&new.token("")).await;
    app.refuses(&key().token("")).await;
}
