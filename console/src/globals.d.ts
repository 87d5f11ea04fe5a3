/** Name of the file with the icons, which the build knows. */
declare const ICONS_FILE: string;
