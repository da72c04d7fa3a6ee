-- ${word}
SELECT '${word}', '${flyway:filename}', '$${word}';
