//! French. Wanted: a review by a native speaker.

use super::{CODE, Language, Sentences, TOKEN, Units};

const UNITS: Units = Units { minute: [" minute", " minutes"], second: [" seconde", " secondes"] };

pub(super) const WORDS: Language = Language {
    tag: "fr",
    units: UNITS,
    log_in: Sentences {
        subject: "Votre code de connexion pour {brand}",
        title: "Votre code de connexion",
        asked: "Quelqu'un a demandé à se connecter à {brand} avec cette adresse e-mail.",
        careful: "Si ce n'était pas vous, ignorez ce message : personne ne peut entrer sans le code. Ne communiquez ce code \
                  à personne et ne le saisissez que là où vous l'avez demandé.",
        expires: "Ce code expire dans {life}. Votre code est :",
        style: CODE,
    },
    reset: Sentences {
        subject: "Votre mot de passe chez {brand}",
        title: "Votre mot de passe",
        asked: "Quelqu'un a demandé à définir un nouveau mot de passe chez {brand} pour cette adresse e-mail.",
        careful: "Si ce n'était pas vous, ignorez ce message : votre mot de passe reste inchangé. Ne communiquez ce jeton à \
                  personne.",
        expires: "Ce jeton expire dans {life}. Votre jeton est :",
        style: TOKEN,
    },
    sms_units: UNITS,
    sms: "{code} est votre code de connexion pour {brand}. Il expire dans {life}. Ne le communiquez à personne.",
    sms_without_brand: "{code} est votre code de connexion. Il expire dans {life}. Ne le communiquez à personne.",
};
