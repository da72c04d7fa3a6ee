SELECT '${word}';
