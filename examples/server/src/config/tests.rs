use std::time::Duration;

use otpgate::{CodeFormat, Disclosure, MemoryStore, Policy, Profile, Secrets, StoreDirectory};

use super::*;

/// Everything that `main` asks of the settings.
fn check(text: &str) -> anyhow::Result<PolicyBook> {
    let config: Config = toml::from_str(text)?;
    config.identity_tenant()?;
    config.profiles(Tenant::default(), &[], true)?;
    config.peers()?;
    config.mail.templates(&config.sms, true)?;
    config.sms.rules()?;
    let secret = otpgate::MasterSecret::new("a secret for tests: 0123456789abcdefghij")?;
    config.registration(StoreDirectory::new(MemoryStore::new(), &Secrets::new(secret)))?;
    config.policies()
}

fn usual(text: &str) -> std::sync::Arc<Policy> {
    check(text).unwrap().policy(&Tenant::default())
}

#[test]
fn every_key_is_optional_and_all_of_them_are_taken() {
    assert_eq!(usual("").code_ttl(), Duration::from_secs(300));
    let all = r#"
        profiles = ["identity", "platform", "engine"]
        identity_tenant = "123"
        brands = ["123", "ACME"]
        registration = "on_first_code"
        registration_domains = ["example.com"]
        bearer = true
        [policy]
        disclosure = "reveal"
        code_digits = 7
        code_ttl_seconds = 60
        max_tries = 2
        access_ttl_seconds = 120
        session_idle_seconds = 3600
        session_absolute_seconds = 7200
        refresh_grace_seconds = 5
        max_sessions = 3
        least_password = 12
        known_devices = false
        resend_cooldown_seconds = 30
        send_valve_per_hour = 500
        breaker_per_hour = 1000
        expected_users = 10
        lockout_failures = 4
        lockout_seconds = 60
        key_ttl_seconds = 3600
        [tenants.bank]
        hardened = true
        [limits]
        per_ip = false
        sends = false
        guesses = false
        [peer]
        trusted_proxies = ["127.0.0.1/32", "10.0.0.0/8"]
        header = "x-forwarded-for"
        [cookies]
        profile = "platform"
        same_site = "lax"
        header = false
        origins = ["https://app.example.com"]
        legacy = "plain"
        legacy_domain = "example.com"
        device = true
        [identity]
        prefix = "/a"
        refresh_path = "/again"
        passwords = true
        without_availability = true
        [platform]
        prefix = "/b"
        refresh_path = "/again"
        [engine]
        prefix = "/c"
        real_statuses = true
        vendor_web_shape = true
        without_passwords = ["ACME"]
        [store]
        connections = 20
        migrations = false
        require_always = true
        insecure_without_durability = true
        [cache]
        bytes = 1000000
        off = true
        single_process = true
        [mail]
        brand = "Example"
        from = "Example <login@example.com>"
        languages = ["de"]
        insecure_plaintext = true
        outbox = true
        [sms]
        from = "+15550000000"
        base_url = "https://sms.example.com"
        domain = "example.com"
        countries = ["+49"]
        blocked = ["+4915"]
        caps = [{ prefix = "+49", most = 50, seconds = 3600 }]
        insecure_plaintext = true
    "#;
    let policy = usual(all);
    assert_eq!(policy.disclosure(), Disclosure::Reveal);
    assert_eq!(policy.code_ttl(), Duration::from_secs(60));
    for profile in [Profile::Identity, Profile::Platform, Profile::Engine] {
        let lives = policy.lives(profile);
        let second = Duration::from_secs(1);
        assert_eq!(lives.access, 120 * second);
        assert_eq!((lives.idle, lives.absolute), (Some(3600 * second), Some(7200 * second)));
    }
    let config: Config = toml::from_str(all).unwrap();
    assert_eq!(config.switched_off(), ["per_ip", "sends", "guesses"]);
    assert!(config.device_cookie() && config.bearer && config.mail.outbox);
}

#[test]
fn a_tenant_has_the_usual_numbers_but_for_its_own() {
    let formats = |text: &str| {
        let book = check(text).unwrap();
        let format = |name: &str| book.policy(&Tenant::new(name).unwrap()).code_format(Profile::Identity);
        (format("other"), format("bank"))
    };
    let (digits, base32) = (CodeFormat::Digits, CodeFormat::Base32);
    assert_eq!(formats("[tenants.bank]\nhardened = true"), (digits(6), base32(8)));
    assert_eq!(formats("[policy]\ncode_digits = 7\n[tenants.bank]\nhardened = true"), (digits(7), base32(8)));
    assert_eq!(formats("[policy]\nhardened = true\n[tenants.bank]\nhardened = false"), (base32(8), digits(6)));
    assert_eq!(formats("[policy]\nhardened = true\n[tenants.bank]\ncode_digits = 9"), (base32(8), digits(9)));
    usual("[policy]\nhardened = true\nexpected_users = 1000000\nmax_takeovers_per_year = 100.0");
    let book = check("[policy]\ncode_ttl_seconds = 60\n[tenants.bank]\nhardened = true").unwrap();
    assert_eq!(book.policy(&Tenant::new("bank").unwrap()).code_ttl(), Duration::from_secs(60));
}

#[test]
fn a_wrong_setting_is_an_error_that_names_it() {
    for (text, named) in [
        ("profile = []", "unknown field `profile`"),
        ("[limits]\nper_up = false", "unknown field `per_up`"),
        ("[policy]\ndisclosure = \"some\"", "unknown variant `some`"),
        ("[policy]\ncode_ttl_seconds = 601", "`policy`"),
        ("[policy]\ncode_ttl_seconds = -1", "code_ttl_seconds"),
        ("[policy]\ncode_digits = 6\ncode_base32 = 8", "`code_digits` and `code_base32`"),
        ("[policy]\nbreaker_per_hour = 0", "`policy`"),
        ("[policy]\nmax_takeovers_per_year = \"no\"", "max_takeovers_per_year"),
        ("[policy]\nexpected_users = 1000000\nmax_takeovers_per_year = 100.0", "`policy`"),
        ("[tenants.bank]\ncode_digits = 4", "`tenants.bank`"),
        ("[tenants.bank]\ncode_digit = 8", "unknown field `code_digit`"),
        ("[tenants.\"\"]", "`tenants`"),
        ("profiles = []", "`profiles`"),
        ("profiles = [\"wallet\"]", "no profile `wallet`"),
        ("profiles = [\"identity\", \"identity\"]", "two routes"),
        ("identity_tenant = \"\"", "`identity_tenant`"),
        ("brands = []", "no brand"),
        ("brands = [\"a\", \"A\"]", "twice"),
        ("brands = [\"\"]", "`brands`"),
        ("registration = \"open\"", "unknown variant `open`"),
        ("registration_domains = [\"example.com\"]", "`registration = \"on_first_code\"`"),
        ("[identity]\nprefix = \"a b\"", "cannot be a path"),
        ("[engine]\nwithout_passwords = [\"nobody\"]", "`engine.without_passwords` names `nobody`"),
        ("[peer]\ntrusted_proxies = [\"proxy.example\"]", "proxy.example"),
        ("[peer]\nheader = \"x-forwarded-for\"", "trusted_proxies"),
        ("[cookies]\nprofile = \"engine\"", "unknown variant `engine`"),
        ("[cookies]\norigin = \"x\"", "unknown field `origin`"),
        ("[cookies]\nprofile = \"platform\"\norigins = [\"app\"]", "`app`"),
        ("profiles = [\"identity\"]\n[cookies]\nprofile = \"platform\"", "`cookies.profile`"),
        ("[cookies]\nprofile = \"platform\"\nlegacy = \"signed\"", "OTPGATE_COOKIE_KEY"),
        ("[cookies]\nprofile = \"platform\"\nlegacy_domain = \"a.b\"", "`cookies.legacy_domain`"),
        ("[cookies]\nsame_site = \"lax\"", "`cookies.profile`"),
        ("[cache]\nbytes = -1", "bytes"),
        ("[store]\npool = 3", "unknown field `pool`"),
        ("[mail]\nbrand = \"\"", "`mail.brand`"),
        ("[mail]\nlanguages = [\"xx\"]", "`mail.languages`"),
        ("[mail]\noutbox = \"yes\"", "outbox"),
        ("[mail]\noutboxes = true", "unknown field `outboxes`"),
        ("[sms]\ncountries = [\"49\"]", "`sms.countries`"),
        ("[sms]\ncaps = [{ prefix = \"+49\", most = 1 }]", "seconds"),
    ] {
        let error = format!("{:#}", check(text).err().unwrap_or_else(|| panic!("{text} is taken")));
        assert!(error.contains(named), "{text}: {error}");
    }
}
