//! What keeps the service from starting, and how it ends.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Setup, TestApp};

/// One clear line, and exit code 1.
fn refused(setup: &Setup, words: &[&str]) {
    let (code, said) = setup.fail();
    assert_eq!(code, Some(1), "{said}");
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim_start().starts_with("hint:")).collect();
    assert_eq!(lines.len(), 1, "{said}");
    assert!(lines[0].starts_with("error: "), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} in {said}");
    }
}

#[test]
fn a_port_in_use() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let setup = Setup::new().with(&["--listen", &address]);
    refused(&setup, &["cannot listen on", &address, "another program", "--listen"]);
    assert!(!setup.data().exists(), "nothing was made");
}

#[test]
fn no_authentication_beyond_this_machine() {
    let setup = Setup::new().with(&["--listen", "0.0.0.0:0"]);
    refused(&setup, &["without authentication", "0.0.0.0:0", "--auth token --token-file"]);
}

#[test]
fn a_cluster_that_is_not_there() {
    let setup = Setup::new().with(&["--executor", "kubernetes", "--context", "no-such-context"]);
    fs::remove_file(setup.path().join("templates/broken.yaml")).unwrap();
    refused(&setup, &["found no cluster to connect to", "KUBECONFIG", "--context", "--executor process"]);
}

#[test]
fn a_token_file_that_cannot_be_used() {
    let setup = Setup::new();
    let file = setup.path().join("tokens");
    let setup = setup.with(&["--auth", "token", "--token-file", file.to_str().unwrap()]);
    refused(&setup, &["cannot read the token file"]);
    fs::write(&file, "ada:hunter2\n").unwrap();
    refused(&setup, &["line 1", "64 hexadecimal digits", "sha256sum"]);
    assert!(!setup.fail().1.contains("hunter2"));
}

#[test]
fn a_data_folder_in_use() {
    let first = TestApp::start();
    let data = first.path().join("data");
    let second = Setup::new().with(&["--data", data.to_str().unwrap()]);
    refused(&second, &["in use by another process", "--data"]);
    assert_eq!(first.get("/readyz").status, 200);
}

#[test]
fn a_data_folder_that_is_none() {
    let setup = Setup::new();
    fs::write(setup.data(), "a file").unwrap();
    refused(&setup, &["is not a folder", "--data"]);
    assert_eq!(fs::read_to_string(setup.data()).unwrap(), "a file");
}

#[test]
fn a_data_folder_that_cannot_be_written_to() {
    let setup = Setup::new();
    fs::create_dir(setup.data()).unwrap();
    fs::set_permissions(setup.data(), fs::Permissions::from_mode(0o555)).unwrap();
    // Whoever may write everywhere cannot be kept out by permissions.
    if fs::write(setup.data().join("probe"), "").is_ok() {
        fs::remove_file(setup.data().join("probe")).unwrap();
        return;
    }
    refused(&setup, &["cannot be written to", "permissions"]);
}

#[test]
fn a_data_folder_that_is_damaged_or_newer() {
    let ended = TestApp::start().stop();
    let setup = ended.setup;
    let manifest = setup.data().join("store.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let mut parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
    let format = parsed["format"].as_u64().unwrap();
    parsed["format"] = (format + 1).into();
    fs::write(&manifest, parsed.to_string()).unwrap();
    refused(&setup, &["has format", "newer jobwright"]);
    fs::write(&manifest, "{").unwrap();
    refused(&setup, &["is damaged", "keep a copy"]);
    assert_eq!(fs::read_to_string(&manifest).unwrap(), "{", "nothing is overwritten");
    fs::write(&manifest, text).unwrap();
    let app = setup.start();
    assert_eq!(app.get("/readyz").status, 200);
}

#[test]
fn a_folder_of_templates_that_is_not_there() {
    let setup = Setup::new().with(&["--templates", "/nowhere"]);
    refused(&setup, &["/nowhere"]);
}

#[test]
fn it_stops_in_good_order() {
    let app = TestApp::start();
    app.launch_gate("k1");
    app.wait_for_phase("k1", "Running");
    let ended = app.stop();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.words);
    assert!(ended.words.contains("SIGTERM"), "{}", ended.words);
}

#[test]
fn a_new_template_needs_no_restart() {
    let app = TestApp::start();
    assert_eq!(app.get("/api/v1/templates/added").status, 404);
    let text = crate::support::TYPED.replace("title: Typed", "title: Added");
    fs::write(app.path().join("templates/added.yaml"), text).unwrap();
    let added = app.until(|| Some(app.get("/api/v1/templates/added")).filter(|answer| answer.status == 200));
    assert_eq!(added.json()["title"], "Added");
}
