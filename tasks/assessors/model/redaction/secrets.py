"""Secrets recognised by the words around them: in sentences, files, commands, headers, links and configurations."""

from __future__ import annotations

from tasks.assessors.model.redaction.rule import Rule
from tasks.assessors.model.redaction.shapes import SHAPES
from tasks.assessors.model.redaction.values import (
    is_argument,
    is_code,
    is_half_of_a_pair,
    is_key,
    is_likely,
    is_number,
    is_phrase,
    is_random,
    is_strong,
    is_written,
)
from tasks.assessors.model.redaction.words import CODE, IS, PAIR, SECRET, WORDS

_CHARACTER = r"(?:(?!</|<br)\S)"
_QUOTED = r"\"[^\"\n]{1,500}\"|'[^'\n]{1,500}'|`[^`\n]{1,500}`"
_VALUE = rf"(?P<value>{_QUOTED}|[\"'`]?[^\s\"'`]{_CHARACTER}*+)"
_PAIR_VALUE = rf"(?P<value>{_QUOTED}|[^\s\"'`]{_CHARACTER}*+)"
# Where a value ends with its word, quotation or command.
_ARGUMENT = r"(?P<value>\"[^\"\n]{1,200}\"|'[^'\n]{1,200}'|[^\s\"'|;<>-][^\s\"'|<>]*+)"
_ASSIGNED = r"[\"'`\]]?(?:\s?\([^()\n]{1,40}\))?[ \t]{0,40}(?::=|=>|==?|:)\s{0,5}"
_SECRET_HINTS = (
    "pass", "pwd", "pw", "psw", "pword", "kennwort", "wort", "contrasen", "clave", "passe", "mdp", "senha", "palavra",
    "wachtwoord", "ww", "parola", "has", "heslo", "losenord", "kode", "salasana", "sifre", "jelszo", "пароль", "密码",
    "パスワード", "secret", "geheimnis", "credential", "token", "key", "schl", "cle", "codigo", "chiave", "chave", "code",
    "llave", "sleutel", "psk", "community", "auth",
)  # fmt: skip

IN_WORDS = (
    Rule("assigned", _ASSIGNED + _VALUE, "password: hunter2", after=SECRET, check=is_written),
    Rule(
        "assigned in groups",
        _ASSIGNED + r"[\"'`]?(?P<value>(?:[A-Z0-9]{4,6}[ -]){2,12}[A-Z0-9]{2,6}(?![A-Za-z0-9])"
        r"|[a-z]{4}(?:[ ][a-z]{4}){3}(?![ ]?[a-z]))",
        "secret: FAKE FAKE FAKE 2222",
        after=SECRET,
        cased=True,
        check=is_phrase,
    ),
    Rule(
        "in a sentence",
        WORDS + IS + _VALUE,
        "the password of the router is Summer2024!",
        after=SECRET,
        check=is_likely,
    ),
    Rule(
        "a number",
        WORDS + IS + r"(?P<value>\d++)(?![\w.:/-])",
        "the password is 482916",
        after=SECRET,
        check=is_number,
    ),
    Rule(
        "changed to",
        WORDS + r"\s{1,3}(?:to|auf|en|a|por|par|naar|para|zu|as|als)\s{1,3}" + _VALUE,
        "changed the password to Summer2024",
        after=SECRET,
        check=is_strong,
    ),
    Rule(
        "side by side", r"\s{1,3}(?:[|>]\s{1,3})?" + _VALUE, "with password Winter2024", after=SECRET, check=is_strong
    ),
    Rule(
        "used as",
        r"(?<!\S)(?P<value>\S{6,60}+)\s(?:as|als|comme|como|come)\s(?:[a-z]{1,12}\s){0,2}" + SECRET.pattern,
        "with Winter2024 as the password",
        hints=(" as ", " als ", " comme ", " como ", " come "),
        check=is_strong,
    ),
    Rule(
        "several words",
        r"(?:passphrase|(?:seed|recovery|mnemonic|back-?up|secret)[ -]?phrase)[\"']?\s{0,3}(?:[:=]|\sis|\sist)\s{1,3}"
        r"[\"']?(?P<value>[a-z]{3,12}(?:[ -][a-z]{3,12}){3,23})",
        "passphrase: correct horse battery staple",
        hints=("phrase",),
        check=is_phrase,
    ),
    Rule(
        "user and password",
        r"\s{0,3}(?:[:=(]|is|are|with|mit|sind|lauten|avec|con|met|com|as|als|of|for)?\s{0,3}[\"'(]?[^\s:/|,;\"']{1,64}[\"']?"
        r"(?:\s?[:/|,+]\s?|\s(?:and|und|et|y|e|en|with|mit)?\s?)" + _PAIR_VALUE,
        "creds: jdoe / Welcome123",
        after=PAIR,
        check=is_half_of_a_pair,
    ),
    Rule(
        "announced key",
        r"(?<![\w-])(?:key|schl(?:u|ue)ssel|cle|llave|chiave|sleutel|chave|kombination|combination)[\"']?\s{0,20}"
        r"(?:[:=]|\s(?:is|ist|est|es|e))\s{0,3}(?P<value>[^\s\"'<>,;]{8,200}+)",
        "key: Fake0123fake",
        hints=("key", "schl", "cle", "llave", "chiave", "sleutel", "chave", "kombination", "combination"),
        check=is_key,
    ),
)

_CODES = (
    r"(?P<value>(?:\d{3}[ ]\d{3}|(?=[a-z-]{0,12}\d)[a-z0-9]{3,16}(?:-[a-z0-9]{2,16}){0,8})(?![\w-])"
    r"(?:[\s,;]{1,3}(?=[a-z-]{0,12}\d)[a-z0-9]{4,16}(?:-[a-z0-9]{2,16}){0,8}(?![\w.:/-])){0,19})"
)

CODES = (
    Rule(
        "code",
        r"[\"'`]?\s{0,20}(?:[:=#-]|(?:is|are|was|ist|sind|war|lautet|lauten|est|sont|es|son|e|sono|zijn|sao)\b:?)?\s{0,5}"
        r"[\"'`]?" + _CODES,
        "OTP 882134",
        after=CODE,
        check=is_code,
    ),
    Rule(
        "code in a sentence",
        WORDS + IS + r"[\"'`]?" + _CODES,
        "the PIN of the door is 4711",
        after=CODE,
        check=is_code,
    ),
    Rule(
        "code before its name",
        r"(?<![\w-])(?P<value>\d{3}[ -]?\d{3,5}|[a-z]-\d{4,8})[ ](?:is|ist|est|es|e|as|als|comme|como|come|for|fur)[ ]"
        r"(?:[a-z]{1,12}[ ]){1,3}(?:\w{0,16}(?:code|pin|otp)|codigo|codice)",
        "402911 is your verification code",
        hints=("code", "pin", "otp", "codigo", "codice"),
    ),
)

_OF_DEVICES = r"(?:(?:\d{1,2}|enc|md5|sha\d{0,3}|ascii(?:-text)?|hex(?:adecimal)?|plain(?:text)?|clear(?:text)?|cipher(?:text)?|simple|encrypted|hash(?:ed)?|local|remote)\s{1,3})"

CONFIGURED = (
    Rule(
        "element",
        rf"<[\w.:-]{{0,30}}{SECRET.pattern}[^<>]{{0,100}}(?<!/)>\s{{0,20}}(?:<!\[cdata\[|<value>\s{{0,5}})?(?P<value>[^<>\]]{{1,500}})",
        "<password>hunter2</password>",
        hints=("<",),
        check=is_written,
    ),
    Rule(
        "name and value",
        r"[\w.-]{0,20}[\"'`]?[\s,;>-]{0,60}[\"'`]?(?:value|wert|plaintext|default)[\"'`]?\s{0,3}[:=]\s{0,3}" + _VALUE,
        'key="SmtpPassword" value="hunter2"',
        after=SECRET,
        check=is_written,
    ),
    Rule(
        "argument of a call",
        r"[\"']?\s?[,(]\s?(?P<value>\"[^\"\n]{1,200}\"|'[^'\n]{1,200}')",
        'setPassword("hunter2")',
        after=SECRET,
        check=is_written,
    ),
    Rule(
        "call for credentials",
        r"(?:convertto-securestring|networkcredential|pscredential)[^\n]{0,80}?[\s,(](?P<value>\"[^\"\n]{1,200}\"|'[^'\n]{1,200}')(?!\s?,)",
        "ConvertTo-SecureString 'hunter2' -AsPlainText",
        hints=("securestring", "networkcredential", "pscredential"),
    ),
    Rule(
        "statement of SQL",
        r"(?:identified[ ](?:by|with[ ]\w{1,40}[ ](?:by|as))|(?:encrypted[ ])?password|authorization[ ]by)[ ](?P<value>'[^'\n]{1,200}')",
        "IDENTIFIED BY 'hunter2'",
        hints=("identified ", "password '"),
    ),
    Rule(
        "line of netrc",
        r"(?<!\w)(?:login|user)\s{1,3}\S{1,100}\s{1,3}(?:password|passwd|pass|pw)\s{1,3}" + _ARGUMENT,
        "machine db login eva password hunter2",
        hints=("pass", "pw"),
        check=is_argument,
    ),
    Rule("of a known type", rf"\s{{1,3}}{_OF_DEVICES}{{1,2}}" + _VALUE, "password 7 0822455D0A16", after=SECRET, check=is_likely),
    Rule(
        "key of a known type",
        rf"(?<![\w-])key(?:-string)?\s{_OF_DEVICES}{{1,2}}" + _VALUE,
        "key 7 0822455D0A16",
        hints=("key",),
        check=is_likely,
    ),
    Rule(
        "secret of a device",
        r"(?<![\w-])(?:snmp-server[ ]community|snmp(?:-agent)?[ ]community(?:[ ](?:read|write))?|r[ow]community6?"
        r"|isakmp[ ]key|(?:ikev[12][ ])?pre-?shared-?key|psksecret|(?:authentication|privacy|message-digest|authentication-password)-key"
        r"|encrypted-password|key-string|(?:radius|tacacs)(?:-server)?[^\n]{0,80}?[ ]key|wpa-psk|wpa-passphrase|snmp-server[ ]host[ ]\S{1,60}"
        r"(?:[ ](?:informs|traps|version|[123]c?|udp-port|\d{1,5})){0,5}|chap[ ]password|neighbor[ ]\S{1,60}[ ]password"
        r"|enable[ ]secret)[ ]{1,3}" + rf"{_OF_DEVICES}{{0,2}}" + _ARGUMENT,
        "snmp-server community Fake RO",
        hints=("snmp", "community", "key", "secret", "password", "wpa"),
        check=is_argument,
    ),
    Rule(
        "password of a device",
        r"(?<![^\n#>])[ ]{0,8}(?:enable[ ](?:secret|password)(?:[ ]level[ ]\d{1,2})?|username[ ]\S{1,60}(?:[ ]privilege[ ]\d{1,2})?[ ](?:secret|password)"
        r"|set[ ](?:password|passwd|passphrase|psksecret|secret)|passwd|password)[ ]{1,3}" + rf"{_OF_DEVICES}{{0,2}}" + _ARGUMENT
        + r"(?=[ ]{0,3}(?:\n|\Z|encrypted|role|privilege))",
        "enable password Fake",
        hints=("secret", "passw", "passphrase"),
        check=is_argument,
    ),
    Rule(
        "community and keys of SNMP",
        r"(?:snmp[^\n]{0,80}?community(?:[ ]string)?[\"']?(?:[ ]is|\s{0,3}[:=])?[ ]{1,3}|(?<![a-z])(?:auth|priv)[ ](?:md5|sha(?:[ -]?\d{3})?|des|3des|aes(?:[ -]?\d{3})?)[ ])"
        + _ARGUMENT,
        "auth sha Fake0123 priv aes Fake4567",
        hints=("community", "auth ", "priv "),
        check=is_likely,
    ),
)  # fmt: skip

_TOOL = r"[^\n|;]{0,200}?\s"

# Met in the case they are written in, for -p and -P differ.
COMMANDS = (
    Rule(
        "option",
        r"(?<![\w/])(?:--?|/)[\w-]{0,20}?(?:password|passwd|passphrase|passwort|pass|pwd|pw|secret|token|api-?key|access-?key|psk|pin|rp|storepass|keypass)"
        r"(?:[=:]|[ ]{1,3})" + _ARGUMENT,
        "backup --password hunter2",
        hints=("pass", "pwd", "-pw", "/pw", "secret", "token", "key", "psk", "pin", "/rp"),
        check=is_argument,
    ),
    Rule(
        "-p, attached",
        rf"(?<!\w)(?i:mysql\w*|mariadb[\w-]*|sshpass|7za?|rar|unrar){_TOOL}-p[\"']?(?P<value>(?<=[\"'])[^\"'\n]{{1,200}}|[^\s\"'\d-][^\s\"']*+|\d[^\s\"']{{5,}}+)",
        "mysql -u root -pHunter2",
        hints=("mysql", "mariadb", "sshpass", "7z", "rar"),
        cased=True,
    ),
    Rule(
        "-p",
        r"(?<!\w)(?i:(?:docker|podman|nerdctl|helm|oc|az|cf|kubectl|crane|skopeo)[^\n|;]{0,60}?\slogin|psexec\w*|sshpass|mongo\w*|cqlsh|wmiexec\S*|paexec)"
        rf"{_TOOL}-p\s+{_ARGUMENT}",
        "docker login -u ci -p hunter2",
        hints=("login", "psexec", "sshpass", "mongo", "cqlsh", "wmiexec", "paexec"),
        cased=True,
        check=is_argument,
    ),
    Rule(
        "-P",
        rf"(?<!\w)(?i:sqlcmd|bcp|osql|isql|tsql|unzip|zip|ipmitool|mosquitto_\w+){_TOOL}-P\s?{_ARGUMENT}",
        "sqlcmd -S db -U sa -P hunter2",
        hints=("sqlcmd", "bcp", "osql", "isql", "tsql", "zip", "ipmitool", "mosquitto_"),
        cased=True,
        check=is_argument,
    ),
    Rule(
        "password of a directory or cache",
        rf"(?<!\w)(?i:ldap\w+{_TOOL}-w|redis-cli{_TOOL}-a|snmp\w+{_TOOL}-(?-i:[cAX])|rdesktop{_TOOL}-p|ipmitool{_TOOL}-P)\s+{_ARGUMENT}",
        "ldapsearch -x -D cn=admin -w hunter2",
        hints=("ldap", "redis-cli", "snmp", "rdesktop", "ipmitool"),
        cased=True,
        check=is_argument,
    ),
    Rule(
        "keys of snmpwalk",
        rf"(?<!\w)snmp\w+{_TOOL}-A\s+(?P<value1>\S{{1,100}}){_TOOL}-X\s+(?P<value2>\S{{1,100}})",
        "snmpwalk -v3 -u eva -A Fake0123 -X Fake4567 db",
        hints=("snmp",),
        cased=True,
        check=is_argument,
    ),
    Rule(
        "user and password",
        rf"(?<!\w)(?:curl|wget|https?|smbclient|rpcclient|winexe|wmic|ab|mount|lftp|invoke-\w+){_TOOL}"
        r"(?:-u|--user|--proxy-user|--auth|-a)(?:[ =]\s{0,2})?[\"']?[^\s:%\"'=]{1,100}[:%](?P<value>[^\s\"']{1,200}+|(?<=[^\s])[^\"'\n]{1,200}(?=[\"']))",
        "curl -u eva:hunter2 db",
        hints=("curl", "wget", "http", "smbclient", "rpcclient", "winexe", "wmic", "ab ", "lftp"),
    ),
    Rule(
        "net user",
        r"(?<!\w)net1?(?:\.exe)?\s{1,3}user\s{1,3}(?:\"[^\"\n]{1,60}\"|[^\s\"/]{1,60})\s{1,3}(?P<value>\"[^\"\n]{1,100}\"|[^\s\"/*][^\s\"]*+)"
        r"(?:\s{1,3}/(?:add|domain|active|y|expires|times|fullname|comment)|\s{0,3}(?:\n|\Z))",
        "net user eva hunter2 /add",
        hints=("net",),
        check=is_argument,
    ),
    Rule(
        "net user, in a sentence",
        r"(?<!\w)net1?(?:\.exe)?\s{1,3}user\s{1,3}[^\s\"/]{1,60}\s{1,3}(?P<value>[^\s\"/*][^\s\"]*+)",
        "net user eva Hunter2x works",
        hints=("net",),
        check=is_strong,
    ),
    Rule(
        "net use",
        r"(?<!\w)net(?:\.exe)?\s{1,3}use\s{1,3}(?:[a-z]:\s{1,3}|\*\s{1,3})?\\\\[^\s\"]{1,200}\s{1,3}(?P<value>\"[^\"\n]{1,100}\"|[^\s\"/*][^\s\"]*+)",
        r"net use z: \\nas\data hunter2 /user:eva",
        hints=("net",),
        check=is_argument,
    ),
    Rule(
        "net use, after the user",
        r"(?<!\w)net(?:\.exe)?\s{1,3}use\s[^\n]{0,200}?/user:[^\s]{1,100}\s{1,3}(?P<value>\"[^\"\n]{1,100}\"|[^\s\"/*][^\s\"]*+)",
        r"net use z: \\nas\data /user:eva hunter2",
        hints=("/user:",),
        check=is_argument,
    ),
    Rule(
        "piped",
        r"(?:echo|printf)\s{1,3}(?:-n\s)?[\"']?(?:[\w.-]{1,60}:)?(?P<value>[^\s\"'|]{1,100}+)[\"']?\s{0,3}\|\s{0,3}(?:sudo\s{1,3}(?:-\w\s{1,3})?)?"
        r"(?:chpasswd|passwd|sudo|kinit|cryptsetup|openssl|docker|gpg|base64)",
        "echo eva:hunter2 | chpasswd",
        hints=("echo", "printf"),
        check=is_argument,
    ),
    Rule(
        "command that takes a password",
        r"(?<!\w)(?:htpasswd\s{1,3}-\w{0,4}b\w{0,4}\s{1,3}(?:\S{1,100}\s{1,3}){1,2}?(?=\S{1,100}\s{0,3}(?:\n|\Z|[;&|]))"
        r"|openssl\s{1,3}passwd\s{1,3}(?:-\w{1,6}\s{1,3}(?:(?<=salt\s)\S{1,20}\s{1,3})?){0,4}"
        r"|rasdial\s{1,3}(?:\"[^\"\n]{1,60}\"|\S{1,60})\s{1,3}\S{1,60}\s{1,3}|wpa_passphrase\s{1,3}(?:\"[^\"\n]{1,60}\"|\S{1,60})\s{1,3}"
        r"|nmcli\s[^\n]{0,100}?password\s{1,3}|(?:rclone|vault)\s{1,3}(?:obscure|login)\s{1,3}|steghide\s[^\n]{0,100}?-p\s|pass(?:in|out)\s{1,3}pass:"
        r"|-pass(?:in|out|)\s{1,3}pass:|vncpasswd\s{1,3}|smbpasswd\s{1,3}-\w\s{1,3}\S{1,60}\s{1,3})" + _ARGUMENT,
        "wpa_passphrase Guests hunter2",
        hints=("htpasswd", "openssl", "rasdial", "wpa_", "nmcli", "rclone", "vault", "pass:", "vncpasswd", "smbpasswd"),
        check=is_argument,
    ),
)  # fmt: skip

_SCHEMES = r"(?:postgres(?:ql)?|mysql|mariadb|mssql|oracle|amqps?|rediss?|mongodb|ldaps?|s?ftps?|smb|cifs|imaps?|smtps?|sip|rtsp)"

LINKS = (
    Rule(
        "login in a URL",
        r"://(?P<value>[^\s/:@\"'<>]{0,100}:[^\s/\"'<>]{1,200})(?=@)",
        "https://eva:hunter2@example.org",
        hints=("://",),
    ),
    Rule(
        "login in the URL of a server",
        rf"(?<![a-z]){_SCHEMES}(?:\+\w{{1,20}})?://(?P<value>[^\s/:@\"'<>]{{0,100}}:(?!\d{{1,5}}/)[^\s\"'<>]{{1,200}})(?=@)",
        "postgresql://eva:hunter/2@db/erp",
        hints=("://",),
    ),
    Rule(
        "token as login",
        r"://(?P<value>[\w.~%+-]{16,200})(?=@)",
        "https://Fake0123fake0123@example.org",
        hints=("://",),
        check=is_random,
    ),
    Rule(
        "parameter",
        r"(?<![a-z])(?:sig|signature|x-(?:amz|goog)-(?:signature|security-token|credential)|(?:access|id|refresh|auth|session|csrf|reset|invite"
        r"|login|security|api|bearer)[_-]?token|token|api[_-]?key|apikey|subscription-key|client[_-]?secret|secret|password|passwd|pwd|pass|pw"
        r"|samlresponse|samlrequest|code_verifier|assertion|client_assertion)=(?P<value>[^\s&\"'<>;]{4,4000}+)",
        "https://example.org/?sig=Fake0123",
        hints=("sig", "token", "key=", "secret", "passw", "pwd", "pass=", "pw=", "saml", "assertion", "code_", "x-"),
        check=is_written,
    ),
    Rule(
        "parameter with a common name",
        r"[?&;#](?:code|key|auth|session|sid|sessionid|ticket|otp|jwt|hash|invite|reset|t|s|k|hmac|nonce|state|pin|magic|confirm)="
        r"(?P<value>[^\s&\"'<>;]{8,4000}+)",
        "https://example.org/?code=Fake0123fake",
        hints=("=",),
        check=is_key,
    ),
    Rule(
        "one-time secret in a link",
        r"[?&;#](?:code|otp|pin)=(?P<value>\d{4,10})(?!\w)",
        "https://example.org/?code=482916",
        hints=("code=", "otp=", "pin="),
    ),
    Rule(
        "webhook",
        r"(?:hooks\.slack\.com/(?:services|workflows|triggers)|discord(?:app)?\.com/api/(?:v\d{1,2}/)?webhooks"
        r"|webhook\.office\.com/webhookb?2?|outlook\.office(?:365)?\.com/webhook|hooks\.zapier\.com/hooks/catch|maker\.ifttt\.com/trigger"
        r"|hook\.\w{0,10}\.?(?:make|integromat)\.com|api\.telegram\.org|events\.pagerduty\.com/integration|hooks\.[\w.-]{1,60})/(?P<value>[^\s\"'<>]{6,1000}+)",
        "https://hooks.slack.com/services/T0/B0/FAKEfake0123",
        hints=("hook", "ifttt", "telegram", "pagerduty"),
    ),
    Rule(
        "link that opens something",
        r"/(?:web)?(?:hooks?|reset|password|invite|invitation|activate|activation|verify|confirm|magic|unlock|recover|token|otp|join|sso|auth|share|s|d"
        r"|passwordreset|reset-?password|set-?password|onetimesecret|secret)[\w-]{0,20}(?:/[\w-]{1,20}){0,2}?/(?P<value>[\w~.%=-]{20,500}+)",
        "https://example.org/reset/Fake0123fake0123fake",
        hints=("://",),
        check=is_key,
    ),
)  # fmt: skip

_COOKIE = r"[^\s=;,\"']{1,100}=(?:\"[^\"\n]{0,500}\"|[^\s;\"']{1,4000}+)"

HEADERS = (
    Rule(
        "authorization",
        r"authorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?:(?:basic|bearer|token|apikey|api-key|key|ntlm|negotiate|hmac\S{0,20}|splunk|bot)\s{1,3})?"
        r"(?P<value>[^\s\"',;]{6,8000}+)",
        "Authorization: Bearer FakeFakeFake",
        hints=("authorization",),
        check=is_written,
    ),
    Rule(
        "signed authorization",
        r"authorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?:digest|aws4-hmac-sha256|oauth|signature)\s{1,3}(?P<value>[^\n]{6,4000}+)",
        'Authorization: Digest username="eva", response="fake0123"',
        hints=("authorization",),
    ),
    Rule(
        "bearer",
        r"(?<![\w-])bearer[ ]{1,3}(?P<value>[\w.~+/=-]{12,8000}+)",
        "Bearer Fake0123Fake",
        hints=("bearer ",),
        check=is_random,
    ),
    Rule(
        "key in a header",
        r"(?<![\w-])(?:x-[\w-]{0,40}(?:key|token|secret|auth\w{0,10}|signature|password)|ocp-apim-subscription-key|private-token|deploy-token|job-token"
        r"|_auth|_password|subscription-key)[\"']?\s{0,3}[:=]\s{0,3}" + _VALUE,
        "X-Api-Key: hunter2",
        hints=("x-", "ocp-apim", "private-token", "-token", "_auth", "_password", "subscription-key"),
        check=is_written,
    ),
    Rule(
        "cookies",
        rf"(?<!set-)cookie2?[\"']?\s{{0,3}}:\s{{0,3}}[\"']?(?P<value>{_COOKIE}(?:;\s{{0,3}}{_COOKIE}){{0,100}}+)",
        "Cookie: lang=de; sid=fake0123",
        hints=("cookie",),
    ),
    Rule(
        "cookie being set",
        r"(?:set-cookie2?[\"']?\s{0,3}:\s{0,3}[\"']?|cookies?(?:[ ]\w{1,12}){0,3}[\s:(]{1,3}[\"'`]?|(?:--cookie|-b)[ =][\"']?)[^\s=;,\"'`]{1,100}="
        r"(?P<value>\"[^\"\n]{1,500}\"|[^\s;\"'`]{4,4000}+)",
        "Set-Cookie: sid=fake0123; HttpOnly",
        hints=("cookie", "-b "),
        check=is_written,
    ),
    Rule(
        "session",
        r"(?:sess(?:ion)?(?:[-_. ]?(?:id|token|key|cookie))?|sessid|[a-z]sid|\.sid|aspxauth|msisauth|fedauth|rtfa|estsauth\w{0,12}|csrf\w{0,12}|xsrf[\w-]{0,12})"
        r"[\"'`]?\s{0,2}[=:]\s{0,2}[\"'`]?(?P<value>[^\s;&\"'`<>,]{12,4000}+)",
        "JSESSIONID=FAKE0123FAKE0123",
        hints=("sess", "sid", "auth", "rtfa", "csrf", "xsrf"),
        check=is_key,
    ),
)  # fmt: skip

SECRETS = (*SHAPES, *IN_WORDS, *CODES, *CONFIGURED, *COMMANDS, *LINKS, *HEADERS)
