use otpgate_testkit::{CaptureMailer, SetClock};

use super::*;

const HOUR: Duration = Duration::from_secs(3_600);

fn builder() -> (SmsRulesBuilder, SetClock) {
    let clock = SetClock::default();
    (SmsRules::builder().clock(Arc::new(clock.clone())), clock)
}

fn admits(rules: &SmsRules, to: &str) -> bool {
    let admitted = rules.admit(to);
    assert!(admitted.as_ref().err().is_none_or(|e| !e.is_temporary()));
    admitted.is_ok()
}

#[test]
fn q12_sms_are_off_until_a_country_is_named() {
    let rules = SmsRules::builder().cap("+49", 10, HOUR).build().unwrap();
    for to in ["+4915112345678", "+15550000001", "+442071838750"] {
        assert!(!admits(&rules, to));
    }
}

#[test]
fn the_longest_prefix_decides() {
    let rules = SmsRules::builder().allow("+1").block("+1876").allow("+1876555").block("+44").allow("+44").allow("+49");
    let rules = rules.build().unwrap();
    for (to, want) in [
        ("+12125550100", true),
        ("+18761234567", false),
        ("+18765550100", true),
        ("+442071838750", false),
        ("+49 30 901820", true),
        ("+431234567", false),
        ("+4", false),
        ("", false),
        ("004915112345678", false),
        ("+49\r\n15112345678", false),
    ] {
        assert_eq!(admits(&rules, to), want, "{to:?}");
    }
}

#[test]
fn a95_a_cap_holds_for_its_window_and_the_next_one_is_free() {
    let (builder, clock) = builder();
    let rules = builder.allow("+49").allow("+43").cap("+49", 3, HOUR).build().unwrap();
    let taken = |to: &str| (0..10).filter(|i| admits(&rules, &format!("{to}{i}"))).count();
    assert_eq!((taken("+491511234567"), taken("+43660123456")), (3, 10));
    clock.advance(HOUR - Duration::from_millis(1));
    assert_eq!(taken("+491521234567"), 0);
    clock.advance(Duration::from_millis(1));
    assert_eq!(taken("+491521234567"), 3);
}

#[test]
fn a95_each_range_has_a_cap_of_its_own() {
    let (builder, _) = builder();
    let rules = builder.allow("+49").cap_each(7, 2, HOUR).cap("+49", 5, HOUR).build().unwrap();
    let taken = |to: &str| (0..10).filter(|i| admits(&rules, &format!("{to}{i}"))).count();
    // The first seven digits are 4915112, 4915113, 4915114; the country as a whole is full after five.
    assert_eq!([taken("+4915112345"), taken("+4915113345"), taken("+4915114345")], [2, 2, 1]);
}

#[test]
fn a_number_that_one_cap_refuses_uses_up_no_other() {
    let (builder, _) = builder();
    let rules = builder.allow("+49").cap("+49", 2, HOUR).cap("+4915", 1, HOUR).build().unwrap();
    assert!(admits(&rules, "+4915112345678"));
    assert!(!admits(&rules, "+4915112345678"));
    assert!(admits(&rules, "+4930901820"));
    assert!(!admits(&rules, "+4930901820"));
}

#[test]
fn a_flood_of_ranges_is_refused_and_forgotten_with_its_window() {
    let (builder, clock) = builder();
    let rules = builder.allow("+49").cap_each(13, 2, HOUR).build().unwrap();
    let taken = || (0..MOST_PREFIXES + 100).filter(|i| admits(&rules, &format!("+49151{i:08}"))).count();
    assert_eq!(taken(), MOST_PREFIXES);
    // Those that are known have their second one.
    assert_eq!(taken(), MOST_PREFIXES);
    assert_eq!(taken(), 0);
    clock.advance(HOUR);
    assert_eq!(taken(), MOST_PREFIXES);
}

#[test]
fn a_burst_gets_what_the_cap_says() {
    let (builder, _) = builder();
    let rules = builder.allow("+49").cap("+49", 50, HOUR).build().unwrap();
    let barrier = std::sync::Barrier::new(8);
    let taken: usize = std::thread::scope(|scope| {
        let burst = || {
            barrier.wait();
            (0..20).filter(|_| admits(&rules, "+4915112345678")).count()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(burst)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(taken, 50);
}

#[test]
fn rules_that_make_no_sense_are_refused_when_built() {
    let b = SmsRules::builder;
    for prefix in ["", "+", "49", "+049", "+49x", "+49 15", "+1234567890123456", "++49"] {
        for builder in [b().allow(prefix), b().block(prefix), b().cap(prefix, 1, HOUR)] {
            assert_eq!(builder.build().unwrap_err().kind(), ConfigErrorKind::Name, "{prefix}");
        }
    }
    for builder in [b().cap_each(0, 1, HOUR), b().cap_each(16, 1, HOUR), b().cap("+49", 1, Duration::from_millis(999))]
    {
        assert!(builder.build().is_err());
    }
}

#[tokio::test]
async fn a_guarded_sender_sends_what_the_rules_admit() {
    let outbox = CaptureMailer::new();
    let sender = SmsRules::builder().allow("+49").cap("+49", 1, HOUR).build().unwrap().guard(outbox.clone());
    let sms = |to: &str| CodeSms {
        to: to.to_owned(),
        tenant: otpgate_core::Tenant::default(),
        code: otpgate_core::Code::new("012345"),
        expires_at: otpgate_core::Timestamp::from_millis(0),
        life: Duration::from_secs(300),
        locale: None,
    };
    assert!(sender.send(&sms("+15550000001")).await.is_err());
    assert!(sender.send(&sms("+4915112345678")).await.is_ok());
    assert!(sender.send(&sms("+4915112345678")).await.is_err());
    assert_eq!(outbox.attempts(), 1);
}
