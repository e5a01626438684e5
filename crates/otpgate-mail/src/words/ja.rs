//! Japanese. Wanted: a review by a native speaker.

use super::{CODE, Language, Sentences, TOKEN, Units, en};

pub(super) const WORDS: Language = Language {
    tag: "ja",
    units: Units { minute: ["分", "分"], second: ["秒", "秒"] },
    log_in: Sentences {
        subject: "{brand} のログインコード",
        title: "ログインコード",
        asked: "このメールアドレスで {brand} へのログインが要求されました。",
        careful: "心当たりがない場合は、このメールを無視してください。コードがなければ誰もログインできません。コードを他人に教えたり、\
                  要求した画面以外に入力したりしないでください。",
        expires: "このコードは{life}で失効します。あなたのコード：",
        style: CODE,
    },
    reset: Sentences {
        subject: "{brand} のパスワード",
        title: "パスワード",
        asked: "このメールアドレスについて、{brand} のパスワードの再設定が要求されました。",
        careful: "心当たりがない場合は、このメールを無視してください。パスワードは変更されません。トークンを他人に教えないでください。",
        expires: "このトークンは{life}で失効します。あなたのトークン：",
        style: TOKEN,
    },
    // The GSM alphabet has no Japanese, so that the SMS is English, and so are its units.
    sms_units: en::WORDS.units,
    sms: en::WORDS.sms,
    sms_without_brand: en::WORDS.sms_without_brand,
};
