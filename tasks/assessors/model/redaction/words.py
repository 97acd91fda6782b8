"""Words that announce a secret, in several languages, and words that follow them without being one.

They are spelled as tasks.assessors.model.redaction.fold spells a text in lower case: without accents. "ß" stays.
"""

from __future__ import annotations

import re


def _any_of(*words: str) -> str:
    return "(?:" + "|".join(words) + ")"


# What a name may add to such a word: password2, password_hash, tokenValue, credentials.
_SUFFIX = r"(?:[_.-]?(?:s|e|er|n|hash|value|text|plain|key|new|old|again|confirm(?:ation)?|base|\d{1,2}))?(?![a-z])"

# The name of a secret. These also end longer names: DB_PASSWORD, smtpPassword, WLAN-Kennwort.
SECRET = re.compile(
    _any_of(
        # passwords: English and names of fields, then German, Spanish, French, Portuguese, Dutch, Italian, others
        r"(?<!no)pass(?:word|wd|w|phrase|code)",
        r"(?<![a-z])pass",
        r"(?<!no)pwd",
        r"pw",
        r"psw",
        r"pword",
        r"p(?:ass|aß)wort",
        r"kennwort",
        r"losungswort",
        r"contrasen(?:a|ya)",
        r"(?<![a-z])clave",
        r"mots? ?de ?passe",
        r"(?<![a-z])mdp",
        r"(?<![a-z])senha",
        r"palavras?[- ](?:passe|chave)",
        r"wachtwoord",
        r"(?<![a-z])ww",
        r"parola d'ordine",
        r"parola chiave",
        r"has[lł]o",
        r"heslo",
        r"losenord",
        r"adgangskode",
        r"kodeord",
        r"passord",
        r"salasana",
        r"(?<![a-z])sifre",
        r"jelszo",
        r"пароль",
        r"密码",
        r"パスワード",
        # keys and tokens
        r"secret[-_. ]?(?:access[-_ ]?)?(?:key|token)?",
        r"(?<![a-z])geheimnis",
        r"credential",
        r"token(?!s)",
        r"(?:api|access|account|private|auth|encryption|signing|master|license|licence|product|storage|app|session"
        r"|shared|pre-?shared|network|network security|wi-?fi|wlan|wep|wpa\d?(?:[-/ ](?:wpa\d|psk|personal))?|ssid|webhook)"
        r"[-_. ]{0,2}key",
        r"(?:api|zugriffs|zugangs|netzwerk|netzwerksicherheits|wi-?fi|wlan|wpa\d?|wep|sicherheits|lizenz)"
        r"[- ]{0,2}schl(?:u|ue)ssel",
        r"(?:cle|clave|codigo|chiave|chave|code|llave)[- ](?:(?:de|del|de la|do|du|da|di|d')? ?)"
        r"(?:api|acces|acceso|accesso|acesso|wi-?fi|wpa\d?|wep|reseau|red|rete|rede|secrete?|secreta|segreta|privee?|"
        r"privada|privata|securite|seguridad|sicurezza)",
        r"(?:api|toegangs|wi-?fi|netwerk|beveiligings)[- ]?sleutel",
        r"key ?(?:content|material)",
        r"(?<![a-z])psk",
        r"pre-?shared[-_ ]?secret",
        r"snmp[\w-]{0,6} community(?: string)?",
        r"(?<![a-z])community[- ]string",
        r"(?<![a-z])[_-]auth",
    )
    + _SUFFIX
)

# A code that is used once, or typed at a door.
CODE = re.compile(
    r"(?<![a-z])"
    + _any_of(
        r"pin(?:[- ]?(?:code|nummer|number))?",
        r"(?:i|m|chip|photo|push)?-?tan",
        r"puk\d?",
        r"t?otp(?:[- ]?code)?",
        r"(?:2fa|mfa|sms|totp|two-factor)(?:[- ](?:code|pin|token|codes|secret|seed|key))?",
        r"(?:cvv2?|cvc2?|csc|cid)",
        r"(?:verification|security|one[- ]?time|single[- ]use|back-?up|recovery|access|auth(?:enticat(?:ion|or))?"
        r"|activation|confirmation|login|log-?on|sign-?in|door|gate|alarm|unlock|reset|safe|entry|pairing|device"
        r"|scratch|emergency|rescue|temporary|keypad|lock|building)"
        r"[- ]?(?:(?:code|pin|key|password|passcode|number)s?|combination)",
        r"(?:your|my|his|her|their|the|ihr|dein|mein|der|votre|mon|le|su|tu|mi|el|il tuo|il|je|uw|de|seu|o) "
        r"(?:sms[- ])?(?:code|codigo|codice)",
        r"(?:bestatigungs|bestaetigungs|sicherheits|verifizierungs|verifikations|einmal|zugangs|wiederherstellungs"
        r"|ersatz|notfall|freischalt|entsperr|aktivierungs|tur|tuer|anmelde|prufungs?|alarm|bitlocker-?)"
        r"-?(?:code|schl(?:u|ue)ssel|pin|kennwort|passwort|passworter|kennung|nummer)s?",
        r"codes? (?:de |d'|a |pin |du )?(?:verification|securite|confirmation|acces|secours|recuperation"
        r"|usage unique|secret|activation|validation|sms|pin|porte|(?:la )?porte|alarme|deverrouillage|sauvegarde)",
        r"codigos? (?:de |del )?(?:verificac?ion|verificacao|seguridad|seguranca|acceso|acesso|recuperacion"
        r"|recuperacao|un solo uso|uso unico|confirmacion|confirmacao|activacion|ativacao|respaldo|sms|pin|puerta|alarma)",
        r"codic[ei] (?:di |d'|dell[a'] ?)?(?:verifica|sicurezza|accesso|recupero|conferma|sblocco|monouso|otp|pin"
        r"|backup|attivazione|porta|allarme)",
        r"(?:verificatie|beveiligings|herstel|toegangs|bevestigings|inlog|eenmalige|reserve|back-?up|sms|deur|alarm)"
        r"[- ]?codes?",
        r"cle (?:de )?recuperation",
        r"(?:clave|chave|chiave) (?:de |di )?(?:recuperacion|recuperacao|recupero)",
        r"herstelsleutel",
    )
    + r"(?![a-z])"
)

# Announces a name and a password together.
PAIR = re.compile(
    r"(?<![a-z])"
    + _any_of(
        r"creds?",
        r"credentials?",
        r"log-?in(?:s| data| details| info)?",
        r"log-?on",
        r"sign-?in",
        r"log(?:ged)? ?in",
        r"(?:user|username|benutzer|benutzername|login|usuario|utilisateur|identifiant|utente|gebruiker(?:snaam)?"
        r"|usuario|utilizador|acc(?:oun)?t|name|id)s? ?(?:/|\||&|\+|,|and|und|et|y|e|en) ?"
        r"(?:the |das |le |la |il |het |a )?"
        r"(?:password|passwd|pass|pwd|pw|passwort|kennwort|mot de passe|mdp|contrasena|clave|senha|wachtwoord|ww|parola)",
        r"(?:zugangs|anmelde|login|zugriffs)-?daten",
        r"identifiants?",
        r"credencia(?:le)?s",
        r"credenziali",
        r"inloggegevens",
        r"(?:dati|dados|datos) (?:di |de )?(?:accesso|acesso|acceso)",
    )
    + r"(?![a-z])"
)

# A word between the name of a secret and the secret: "the password of the router in room 4 is".
WORDS = r"(?:\s{1,3}[^\s:=\"']{1,25}){0,6}?"

# Joins the name of a secret and the secret itself.
IS = (
    r"(?:\s{1,3}(?:is|was|are|were|ist|war|sind|lautet|lauten|lautete|ware|sei|est|etait|sont|c'est|es|era|son|e|sono|zijn"
    r"|sao|foi|->?|=>?|:=?|>)(?:\s{1,3}(?:now|still|currently|then|set to|again|jetzt|nun|wieder|noch|aktuell|derzeit"
    r"|maintenant|toujours|desormais|ahora|actualmente|adesso|ora|attualmente|nu|nog|agora|atualmente|:))?"
    r"|\s{0,3}[:=])\s{1,3}"
)

# Follows "password:" in speech about passwords. Hiding it would hide the problem itself.
_SPEECH = frozenset(
    # English
    "a again all already always an and any are as ask asked asking asks at be because been before being but by can cannot"
    " can't cant case changes check click contact could couldn't date did didn't do does doesn't don't done either empty enter entered"
    " enter error errors every fails failure field fill for forgot forgotten from get gets given good had has have he help"
    " here hidden his how however i i'm if in into is isn't it it's its just keeps last length less link locked lost manager"
    " may maximum me means might minimum missing more must my n/a na needed needs never new next no nobody none nope not nothing now"
    " null ok okay old on once one only option or other our out page please policy popup prompt pls problem refused"
    " rejected request same screen see seems sent she should since so some still stored strength take that the their them"
    " then there these they this to too true false tried try two type unable undefined unknown unset until updated us use used user"
    " users using via wait was we were what when where which while who why will with won't working works would wrong yes you your"
    " accepted blocked bad correct correctly denied disabled enabled default optional mandatory protected weak strong"
    " complexity history age details issue issues question rotation sync syncing recovery reminder"
    # German
    " aber alle als am an auch auf aus bei beim bitte da das dass dem den der des die doch ein eine einen einmal er es falsch"
    " fehler fehlerhaft fehlgeschlagen fehlt funktioniert fur geht gesperrt habe haben hat hinweis ich ihr immer ist ja kann kein keine"
    " keinen korrekt lauft leer mehr mit muss nach nein nicht nichts noch nur oder ok richtig schon sie sind soll"
    " stimmt ungultig unbekannt und unzulassig vergessen verloren von war warum weiß weiter wenn wer wie wird wurde zu zum zuruckgesetzt"
    " zurucksetzen zweimal andern geandert gesendet benotigt erforderlich siehe wieder"
    # French
    " au aucun aucune avec bloque bloquee ca ce cette dans de des deux du elle en est et il ils incorrecte invalide j'ai je la le"
    " les mais me merci mon ne non nous obligatoire ou oublie oubliee oui par pas plus pour refuse refusee requis que qui sa sans se"
    " son sur toujours un une votre vous erronee errone inconnu perdu modifie change"
    # Spanish
    " al bloqueada cambiada cambiado como con correcta cual cuando del desconocida el ella en erronea es esta este favor falla"
    " fue ha hay incorrecta incorrecto invalida la las le lo los mas mi muy ni ninguna no nueva nunca o olvidada olvide olvido"
    " para pero por porque que se si sin sobre su sus tiene todo un una usuario ya y"
    # Italian
    " alla allo anche bloccata cambiata che con corretta da dal dalla di dimenticata e errata errato gli ha ho i il lo ma"
    " mancante ne nel nella non nessuna nuova o per piu richiesta sbagliata sconosciuta si sono su sua"
    # Dutch
    " aan alleen altijd bij dan dat dit een en er fout gaat geblokkeerd geen gewijzigd goed het hij ik in is kan klopt maar"
    " met mijn moet naar niet nieuw nog of onbekend onjuist ongeldig ook op over te uit van vereist vergeten verkeerd voor wel"
    " werkt wij wordt zijn"
    # Portuguese
    " alterada ao bloqueada com da das do dos ela ele em errada esqueci esquecida esqueceu foi incorreta invalida mas mudada"
    " na nao nas nenhuma no nos nova num ou para pela pelo porem qual quando se sem ser seu sua tem uma voce".split()
)
_STEMS = [
    "expir",
    "abgelauf",
    "verlop",
    "caduc",
    "scadut",
    "vencid",
    "change",
    "reset",
    "invalid",
    "incorrect",
    "inkorrekt",
    "require",
    "fail",
    "lock",
    "wrong",
    "mismatch",
    "accept",
    "work",
    "protect",
    "forget",
    "forgot",
    "request",
    "remember",
    "store",
    "save",
    "saved",
    "restor",
    "recover",
    "prompt",
]
_STEM_OF_SPEECH = re.compile("|".join(_STEMS))


def is_speech(word: str) -> bool:
    """Whether a folded word in lower case says something about a secret and is none."""
    word = word.strip(".,;:!?()[]\"'")
    return word in _SPEECH or (word.isalpha() and _STEM_OF_SPEECH.match(word) is not None)
