//! `weir config check`: what a configuration comes to, and where each value is from. Shows no secret.

use std::fmt::Write as _;
use std::path::Path;

use super::Outcome;
use crate::config::{Config, Mode, Origin};

/// `weir config check --config FILE [--json]`. Exit code 1 where the configuration cannot be used.
#[must_use]
pub fn check(path: &Path, json: bool) -> Outcome {
    match checked(path) {
        Ok(shown) if json => {
            let mut all = shown.json;
            all.insert("can_be_used".to_owned(), true.into());
            Outcome { text: serde_json::Value::Object(all).to_string(), exit: 0 }
        }
        Ok(shown) => Outcome { text: shown.text, exit: 0 },
        Err(text) if json => {
            let all = serde_json::json!({ "can_be_used": false, "why": text });
            Outcome { text: all.to_string(), exit: 1 }
        }
        Err(text) => Outcome { text, exit: 1 },
    }
}

/// What a configuration comes to, for people and for machines.
#[derive(Default)]
struct Shown {
    text: String,
    json: serde_json::Map<String, serde_json::Value>,
}

fn checked(path: &Path) -> Result<Shown, String> {
    let config = Config::load(path).map_err(|e| e.to_string())?;
    let origin = |key: &str| match config.origin(key) {
        Origin::File(line) => format!("line {line}"),
        Origin::Environment => format!("environment, {}", Config::variable(key)),
        Origin::Default => "default".to_owned(),
    };
    let Shown { text: mut out, mut json } = Shown::default();
    let mut say = |key: &str, value: &dyn std::fmt::Display| {
        // Into memory.
        let _ = writeln!(out, "{key} = {value}  # {}", origin(key));
        let (value, from) = (value.to_string(), origin(key));
        json.insert(key.to_owned(), serde_json::json!({ "value": value, "from": from }));
    };
    say("mode", &if config.mode == Mode::Production { "production" } else { "development" });
    say("listen", &config.listen);
    say("data_dir", &config.data_dir.display());
    let key_file = config.hub_key_file.as_ref().map(|file| file.display().to_string());
    say("hub_key_file", &key_file.unwrap_or_else(|| "beside data_dir".to_owned()));
    say("policies_dir", &config.policies_dir.display());
    say("audit_origin", &config.audit_origin);
    let lock = config.audit_lock.as_ref().map(|file| file.display().to_string());
    say("audit.lock", &lock.unwrap_or_else(|| "beside data_dir".to_owned()));
    if let Some(publishing) = &config.publishing {
        let witnesses = &publishing.witnesses;
        say("audit.quorum", &witnesses.quorum.needed());
        say("audit.stale_seconds", &witnesses.stale_after.as_secs());
        let strict = witnesses.strict_after.map(|after| after.as_hours().to_string());
        say("audit.strict_witness_hours", &strict.unwrap_or_else(|| "never".to_owned()));
        let named =
            publishing.urls.iter().map(|(url, key)| format!("{} at {}", key.name(), url.as_str()));
        say("audit.witness", &named.collect::<Vec<_>>().join(", "));
    }
    if let Some(dir) = &config.anchor_dir {
        say("audit.anchor_dir", &dir.display());
    }
    say("reflection", &config.reflection);
    say("web_origins", &config.web_origins);
    match &config.tls {
        Some(tls) => {
            tls.acceptor(!config.web_origins.is_empty()).map_err(|e| format!("[tls] {e}"))?;
            say("tls.certificate_file", &tls.certificate_file.display());
            say("tls.key_file", &tls.key_file.display());
            let clients = match (&tls.client_ca_file, tls.clients_need_certificate) {
                (None, _) => "off",
                (Some(_), false) => "optional",
                (Some(_), true) => "required",
            };
            say("tls.client_certificates", &clients);
        }
        None if config.behind_proxy => say("plaintext", &"behind-proxy"),
        None => say("plaintext", &"for trying things out only"),
    }
    say("policy.require_approval", &config.trust.required);
    for key in &config.trust.keys {
        let roles: Vec<&str> = key.roles.iter().map(String::as_str).collect();
        let _ = writeln!(out, "[[policy.key]] {}: {}", key.name, roles.join(", "));
    }
    let policy = super::policy::open(&config.policies_dir).map_err(|lines| lines.join("\n"))?;
    config.check_place(policy.book().place.sample_clock.is_some()).map_err(|e| e.to_string())?;
    super::serve::check_issuers(&config.issuers, policy.book()).map_err(|w| w.join("\n"))?;
    for issuer in &config.issuers {
        let (roles, functions) = (issuer.roles.len(), issuer.functions.len());
        let certificates = issuer.client_certificates.len();
        let _ = writeln!(
            out,
            "[[issuer]] {} for {}: {roles} roles, {functions} functions, {certificates} client \
             certificates",
            issuer.issuer, issuer.agency
        );
    }
    let issuers: Vec<_> = config
        .issuers
        .iter()
        .map(|issuer| serde_json::json!({ "issuer": issuer.issuer, "agency": issuer.agency }))
        .collect();
    json.insert("issuer".to_owned(), issuers.into());
    let approvers = config.trust.keys.iter();
    let approvers: Vec<_> =
        approvers.map(|key| serde_json::json!({ "name": key.name, "roles": key.roles })).collect();
    json.insert("policy.key".to_owned(), approvers.into());
    out.push_str("The configuration can be used.");
    Ok(Shown { text: out, json })
}
