/** Who looks: a token that stays in this tab, and is forgotten when that is closed. */

const tokenName = "minutebook-token";
export const token = () => sessionStorage.getItem(tokenName);
export const keepToken = (text: string) => sessionStorage.setItem(tokenName, text);
export const forgetToken = () => sessionStorage.removeItem(tokenName);
