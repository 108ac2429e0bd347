<?php
// The vulnerable application in PHP: every flaw answers below /flawed and, mended, below /fixed.
declare(strict_types=0);

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if (preg_match('#^/uploads/([\w.-]+)$#', $path, $found)) {
    serve_upload($found[1]);
    return;
}
if ($path === '/') {
    readfile(getenv('LAB_INDEX'));
    return;
}
if (!preg_match('#^/(flawed|fixed)/([\w/.-]+)$#', $path, $found)) {
    http_response_code(404);
    echo '<p>No such page</p>';
    return;
}
foreach (['Content-Security-Policy: default-src \'self\'; frame-ancestors \'self\'', 'X-Content-Type-Options: nosniff',
          'X-Frame-Options: SAMEORIGIN', 'Referrer-Policy: no-referrer'] as $header) {
    header($header);
}
header_remove('X-Powered-By');
$view = str_replace(['/', '-'], '_', $found[2]);
if (!function_exists("view_$view")) {
    http_response_code(404);
    echo '<p>No such page</p>';
    return;
}
("view_$view")($found[1] === 'flawed');

function page(string $content): void
{
    echo "<!doctype html><html><head><title>PHP lab</title></head><body>$content</body></html>";
}

function shown(string $text): string
{
    return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE);
}

function asked(string $name, string $default = ''): string
{
    $value = $_REQUEST[$name] ?? $default;
    return is_string($value) ? $value : $default;
}

function database(): PDO
{
    $database = new PDO('sqlite::memory:', null, null, [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
    $database->exec("create table news (id integer, title text, region text);
        insert into news values (1, 'Roads', 'east'), (2, 'Parks', 'west'), (3, 'Schools', 'west')");
    $database->sqliteCreateFunction('sleep', function ($seconds) { usleep((int) (min((float) $seconds, 10) * 1e6)); return 0; });
    return $database;
}

function listed(array $rows): string
{
    return $rows ? '<ul><li>' . implode('<li>', array_map('shown', $rows)) . '</ul>' : '<p>No news</p>';
}

// Cross-site scripting

function view_xss_text(bool $flawed): void
{
    $q = asked('q');
    page('<h1>Results for ' . ($flawed ? $q : shown($q)) . '</h1>');
}

function view_xss_attribute(bool $flawed): void
{
    // Without ENT_QUOTES a single quote stays what it is.
    $q = asked('q');
    page("<input name='q' value='" . ($flawed ? htmlspecialchars($q, ENT_NOQUOTES) : shown($q)) . "'>");
}

function view_xss_stripped(bool $flawed): void
{
    // Takes tags out, and is used inside an attribute.
    $q = asked('q');
    page('<img src="/face.png" alt="' . ($flawed ? strip_tags($q) : shown($q)) . '">');
}

function view_xss_slashes(bool $flawed): void
{
    // Escapes as for a string, and is used in text; the twin is a real string.
    $q = asked('q');
    page($flawed ? '<p>' . addslashes($q) . '</p>'
        : '<script>var q = ' . json_encode($q, JSON_HEX_TAG | JSON_HEX_QUOT | JSON_HEX_APOS | JSON_INVALID_UTF8_SUBSTITUTE) . ';</script>');
}

function view_xss_array(bool $flawed): void
{
    $names = implode(', ', array_keys($_GET));
    page('<p>Filters: ' . ($flawed ? $names : shown($names)) . '</p>');
}

// SQL injection

function view_sqli_error(bool $flawed): void
{
    $region = asked('region', 'west');
    try {
        if ($flawed) {
            $rows = database()->query("select title from news where region = '$region'");
        } else {
            $rows = database()->prepare('select title from news where region = ?');
            $rows->execute([$region]);
        }
        page(listed($rows->fetchAll(PDO::FETCH_COLUMN)));
    } catch (PDOException $error) {
        http_response_code(500);
        page('<p>' . shown($error->getMessage()) . '</p>');
    }
}

function view_sqli_boolean(bool $flawed): void
{
    // The quotes are doubled, and the value stands where a number does.
    $id = str_replace("'", "''", asked('id', '2'));
    try {
        if ($flawed) {
            $rows = database()->query("select title from news where id = $id limit 5");
        } else {
            $rows = database()->prepare('select title from news where id = ? limit 5');
            $rows->execute([$id]);
        }
        $titles = $rows->fetchAll(PDO::FETCH_COLUMN);
    } catch (PDOException $error) {
        $titles = [];
    }
    page(listed($titles) . '<p>' . date('H:i:s') . ' ' . bin2hex(random_bytes(4)) . '</p>');
}

function view_sqli_time(bool $flawed): void
{
    $id = asked('id', '2');
    try {
        $flawed ? database()->query("select 1 from news where (id = $id)")->fetchAll() : null;
    } catch (PDOException $error) {
    }
    page('<p>Counted</p>');
}

function view_sqli_name(bool $flawed): void
{
    $titles = [];
    foreach ($_POST as $name => $value) {
        if (!$flawed && !in_array($name, ['id', 'title', 'region'], true)) {
            continue;
        }
        try {
            $rows = database()->prepare("select title from news where $name = ?");
            $rows->execute([$value]);
            $titles = $rows->fetchAll(PDO::FETCH_COLUMN);
        } catch (PDOException $error) {
        }
    }
    page(listed($titles));
}

// Code and commands

function view_codeinj_number(bool $flawed): void
{
    $width = asked('width', '3');
    try {
        $result = $flawed ? eval("return $width * 2;") : (int) $width * 2;
    } catch (Throwable $error) {
        $result = '?';
    }
    page('<p>Double: ' . shown((string) $result) . '</p>');
}

function view_codeinj_string(bool $flawed): void
{
    $name = asked('name', 'li');
    if (!$flawed) {
        page('<p>Hello ' . shown($name) . '</p>');
        return;
    }
    $greeting = '';
    try {
        eval("\$greeting = \"Hello $name\";");
    } catch (Throwable $error) {
        page('<p>Fatal error: Uncaught ' . get_class($error) . ': ' . shown($error->getMessage()) . '</p>');
        return;
    }
    page('<p>' . shown($greeting) . '</p>');
}

function view_codeinj_blind(bool $flawed): void
{
    $rule = asked('rule', 'x');
    try {
        $flawed ? eval("\$kept = '$rule';") : null;
    } catch (Throwable $error) {
    }
    page('<p>Kept</p>');
}

function view_cmdi_output(bool $flawed): void
{
    $host = asked('host', 'localhost');
    page('<pre>' . shown((string) shell_exec('echo ' . ($flawed ? $host : escapeshellarg($host)))) . '</pre>');
}

function view_cmdi_cookie(bool $flawed): void
{
    $zone = $_COOKIE['zone'] ?? 'utc';
    shell_exec('true ' . ($flawed ? $zone : escapeshellarg($zone)));
    page('<p>Clock set</p>');
}

// Files

function view_pathtraver_include(bool $flawed): void
{
    $wanted = asked('page', 'about');
    if (!$flawed && !in_array($wanted, ['about', 'contact'], true)) {
        page('<p>No such page</p>');
        return;
    }
    ob_start();
    @include __DIR__ . '/parts/' . $wanted;
    page('<div>' . ob_get_clean() . '</div>');
}

function view_pathtraver_suffix(bool $flawed): void
{
    // Puts .php behind; streams read the source nevertheless.
    $wanted = asked('page', 'parts/about');
    if (!$flawed && !preg_match('#^parts/\w+$#', $wanted)) {
        page('<p>No such page</p>');
        return;
    }
    chdir(__DIR__);
    ob_start();
    @include $wanted . '.php';
    page('<div>' . ob_get_clean() . '</div>');
}

function view_pathtraver_remote(bool $flawed): void
{
    $wanted = asked('skin', 'plain');
    $content = $flawed ? @file_get_contents($wanted) : @file_get_contents(__DIR__ . '/parts/' . basename($wanted));
    page('<div>' . shown((string) $content) . '</div>');
}

function view_pathtraver_warning(bool $flawed): void
{
    // Shows the error of a file that is not there, and never its content.
    $name = $flawed ? asked('log', 'day') : basename(asked('log', 'day'));
    $lines = @file(__DIR__ . '/parts/' . $name);
    if ($lines === false) {
        page('<p>Warning: file(): Failed to open stream: No such file or directory</p>');
        return;
    }
    page('<p>The file has ' . count($lines) . ' lines</p>');
}

function view_upload_any(bool $flawed): void
{
    keep_upload($flawed, fn ($file) => true);
}

function view_upload_type(bool $flawed): void
{
    // Believes the type that the browser tells.
    keep_upload($flawed, fn ($file) => str_starts_with($file['type'], 'image/'));
}

function view_upload_suffix(bool $flawed): void
{
    // Refuses .php, and forgets its cousins.
    keep_upload($flawed, fn ($file) => !preg_match('/\.php$/', $file['name']));
}

function keep_upload(bool $flawed, callable $good): void
{
    $form = '<form method="post" enctype="multipart/form-data"><input type="file" name="photo"><input type="submit"></form>';
    $file = $_FILES['photo'] ?? null;
    if (!$file) {
        page($form);
        return;
    }
    $name = basename($file['name']);
    if (!$flawed) {
        $name = bin2hex(random_bytes(8)) . '.png';
    } elseif (!$good($file)) {
        page("$form<p>Not allowed</p>");
        return;
    }
    $place = getenv('LAB_UPLOADS');
    count(glob("$place/*")) < 20000 && move_uploaded_file($file['tmp_name'], "$place/$name");
    page('<p>Stored as <a href="/uploads/' . shown($name) . '">your photo</a></p>');
}

function serve_upload(string $name): void
{
    $file = getenv('LAB_UPLOADS') . '/' . $name;
    if (!is_file($file)) {
        http_response_code(404);
        return;
    }
    if (preg_match('/\.(php|phtml|php5|phar)$/i', $name)) {
        include $file;
        return;
    }
    header('Content-Type: ' . (str_ends_with($name, '.png') ? 'image/png' : 'application/octet-stream'));
    readfile($file);
}

// Documents and objects

function view_xxe_oob(bool $flawed): void
{
    libxml_use_internal_errors(true);
    $flawed && libxml_set_external_entity_loader(fn ($public, $system) => preg_match('#^(file|http)://(127\.0\.0\.1|localhost|/)#', $system) ? fopen($system, 'r') ?: null : null);
    simplexml_load_string(file_get_contents('php://input'), 'SimpleXMLElement', $flawed ? LIBXML_NOENT | LIBXML_DTDLOAD : LIBXML_NONET);
    page('<p>Received</p>');
}

function view_xxe_content(bool $flawed): void
{
    libxml_use_internal_errors(true);
    $document = simplexml_load_string(file_get_contents('php://input'), 'SimpleXMLElement', $flawed ? LIBXML_NOENT : LIBXML_NONET);
    page('<p>Order of ' . shown($document ? (string) $document->name : 'nobody') . '</p>');
}

function view_xpathi_boolean(bool $flawed): void
{
    $document = new SimpleXMLElement('<staff><user name="li"><room>204</room></user><user name="wang"><room>118</room></user></staff>');
    $name = asked('name', 'li');
    $name = $flawed ? $name : preg_replace('/[^\w]/', '', $name);
    $found = @$document->xpath("//user[@name='$name']/room") ?: [];
    page($found ? '<p>Room ' . shown((string) $found[0]) . '</p>' : '<p>Nobody</p>');
}

function view_deserialization_error(bool $flawed): void
{
    $given = $_COOKIE['prefs'] ?? '';
    $decoded = (string) base64_decode(str_replace('%3D', '=', $given));
    set_error_handler(function ($level, $text) { echo "<b>Notice</b>: $text<br>"; return true; });
    // The twin complains as well, and builds no objects.
    $prefs = $flawed ? unserialize($decoded) : unserialize($decoded, ['allowed_classes' => false]);
    page('<p>Preferences: ' . shown(gettype($prefs)) . '</p>');
}

function view_deserialization_strict(bool $flawed): void
{
    // Says nothing of an error, but an object of an unknown class is not a field.
    $decoded = (string) base64_decode(asked('state'));
    $state = $flawed ? @unserialize($decoded) : @unserialize($decoded, ['allowed_classes' => false, 'max_depth' => 0]);
    if ($flawed && is_object($state)) {
        try {
            page('<p>' . shown((string) $state) . '</p>');
        } catch (Throwable $error) {
            http_response_code(500);
            page('<p>Uncaught Error: ' . shown($error->getMessage()) . '</p>');
        }
        return;
    }
    page('<p>Welcome</p>');
}

function view_redirect_header(bool $flawed): void
{
    $to = asked('to', '/');
    header('Location: ' . ($flawed || preg_match('#^/(?![/\\\\])#', $to) ? str_replace(["\r", "\n"], '', $to) : '/'), true, 302);
}

function view_xss_gbk(bool $flawed): void
{
    header('Content-Type: text/html; charset=gb2312');
    $word = asked('word', iconv('utf-8', 'gb18030', '公告'));
    $safe = htmlspecialchars($word, ENT_QUOTES | ENT_SUBSTITUTE, 'GB2312');
    echo iconv('utf-8', 'gb18030', '<html><head><title>公告栏</title></head><body><p>没有找到:');
    echo $flawed ? $word : $safe, '</p></body></html>';
}
