"""vCard text: lines, values, older forms; knows no card and no store."""
